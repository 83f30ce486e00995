/* Writes the vectors beside this file: parity as NRL's NORM library makes it.
 *
 *   cc -O2 -o /tmp/generate fec/tests/golden/generate.c \
 *      -Wl,-Bstatic -lnorm -Wl,-Bdynamic -lstdc++ -lm -lpthread
 *   cd fec/tests/golden && /tmp/generate
 *
 * The vectors here are from libnorm 1.5.9 (Debian's libnorm-dev), of which
 * nothing is in this file: it calls the encoder class by its symbol names,
 * which only the static library has.
 *
 * Byte b of source s is the low byte of (s * 31 + b * 7 + s * b * 3 + 11) / 2.
 * A file holds a line "k r block_len bytes", then a line of hex digits for
 * each parity symbol. k is the length of the longest block, block_len that of
 * this one.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

void _ZN14NormEncoderRS8C1Ev(void *encoder);
bool _ZN14NormEncoderRS84InitEjjt(void *encoder, unsigned k, unsigned r,
                                  unsigned short bytes);
void _ZN14NormEncoderRS86EncodeEjPKcPPc(void *encoder, unsigned source,
                                        const char *symbol, char **parity);

static void write_vectors(unsigned k, unsigned r, unsigned block_len,
                          unsigned bytes)
{
    /* Far more than the object takes, whose size no header tells. */
    void *encoder = calloc(1, 4096);
    char **parity = calloc(r, sizeof *parity);
    char *symbol = malloc(bytes);
    char name[64];
    snprintf(name, sizeof name, "k%u-r%u-len%u.txt", k, r, block_len);
    FILE *file = fopen(name, "w");
    _ZN14NormEncoderRS8C1Ev(encoder);
    if (!file || !_ZN14NormEncoderRS84InitEjjt(encoder, k, r, bytes)) {
        fprintf(stderr, "%s: cannot be made\n", name);
        exit(1);
    }
    for (unsigned row = 0; row < r; row++)
        parity[row] = calloc(1, bytes);
    for (unsigned s = 0; s < block_len; s++) {
        for (unsigned b = 0; b < bytes; b++)
            symbol[b] = (char)((s * 31 + b * 7 + s * b * 3 + 11) / 2);
        _ZN14NormEncoderRS86EncodeEjPKcPPc(encoder, s, symbol, parity);
    }
    fprintf(file, "%u %u %u %u\n", k, r, block_len, bytes);
    for (unsigned row = 0; row < r; row++) {
        for (unsigned b = 0; b < bytes; b++)
            fprintf(file, "%02x", (unsigned char)parity[row][b]);
        fprintf(file, "\n");
    }
    fclose(file);
}

int main(void)
{
    write_vectors(1, 5, 1, 16);
    write_vectors(20, 10, 20, 32);
    write_vectors(20, 10, 13, 32);
    write_vectors(64, 16, 64, 32);
    write_vectors(64, 16, 1, 32);
    write_vectors(200, 55, 200, 24);
    write_vectors(200, 55, 199, 24);
    write_vectors(128, 127, 128, 8);
    write_vectors(254, 1, 254, 64);
    return 0;
}
