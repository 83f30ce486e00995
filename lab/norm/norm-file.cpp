// One file by NRL's NORM library, to measure linecast against: libnorm comes
// without a tool that sends a file and tells when everybody has it.
//
//   norm-file send INTERFACE GROUP PORT RECEIVERS BITS_PER_SECOND FILE
//   norm-file receive INTERFACE GROUP PORT NODE_ID DIRECTORY
//
// Node ids: 1 is the sender, 2 and on are the receivers. The sender ends when
// all receivers have acknowledged the watermark behind the file. A receiver
// writes into DIRECTORY, renames the file to `image` and ends.
#include <normApi.h>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

static const unsigned int BUFFER_BYTES = 64u << 20;
static const unsigned int SOCKET_BYTES = 8u << 20;
static const UINT16 SEGMENT_BYTES = 1408, BLOCK_SEGMENTS = 64, PARITY_SEGMENTS = 16;
static const double GRTT_SECONDS = 0.001;

static int fail(const char *what)
{
    fprintf(stderr, "norm-file: %s failed\n", what);
    return 1;
}

static NormSessionHandle open_session(NormInstanceHandle instance, char **argv, NormNodeId node)
{
    NormSessionHandle session = NormCreateSession(instance, argv[3], (UINT16)atoi(argv[4]), node);
    if (session != NORM_SESSION_INVALID)
        NormSetMulticastInterface(session, argv[2]);
    return session;
}

static int send_file(NormInstanceHandle instance, char **argv)
{
    NormSessionHandle session = open_session(instance, argv, 1);
    int receivers = atoi(argv[5]);
    for (int i = 0; i < receivers; i++)
        NormAddAckingNode(session, (NormNodeId)(2 + i));
    NormSetTxRate(session, atof(argv[6]));
    NormSetGrttEstimate(session, GRTT_SECONDS);
    if (!NormStartSender(session, 1, BUFFER_BYTES, SEGMENT_BYTES, BLOCK_SEGMENTS, PARITY_SEGMENTS))
        return fail("NormStartSender");
    NormSetTxSocketBuffer(session, SOCKET_BYTES);
    NormObjectHandle file = NormFileEnqueue(session, argv[7]);
    if (file == NORM_OBJECT_INVALID)
        return fail("NormFileEnqueue");
    NormSetWatermark(session, file, true);
    NormEvent event;
    while (NormGetNextEvent(instance, &event)) {
        if (event.type != NORM_TX_WATERMARK_COMPLETED)
            continue;
        if (NormGetAckingStatus(session) == NORM_ACK_SUCCESS)
            return 0;
        NormSetWatermark(session, file, true);
    }
    return fail("NormGetNextEvent");
}

static int receive_file(NormInstanceHandle instance, char **argv)
{
    std::string directory = argv[6];
    NormSetCacheDirectory(instance, (directory + "/").c_str());
    NormSessionHandle session = open_session(instance, argv, (NormNodeId)atoi(argv[5]));
    if (!NormStartReceiver(session, BUFFER_BYTES))
        return fail("NormStartReceiver");
    NormSetRxSocketBuffer(session, SOCKET_BYTES);
    puts("ready");
    fflush(stdout);
    NormEvent event;
    bool complete = false;
    while (NormGetNextEvent(instance, &event)) {
        if (event.type == NORM_RX_OBJECT_COMPLETED) {
            char name[4096] = {0};
            NormFileGetName(event.object, name, sizeof name - 1);
            if (rename(name, (directory + "/image").c_str()) != 0)
                return fail("rename");
            complete = true;
        }
        // The acknowledgement goes out when the sender asks: stay for it.
        if (complete && event.type == NORM_REMOTE_SENDER_INACTIVE)
            return 0;
    }
    return complete ? 0 : fail("NormGetNextEvent");
}

int main(int argc, char **argv)
{
    NormInstanceHandle instance = NormCreateInstance();
    if (argc == 8 && strcmp(argv[1], "send") == 0)
        return send_file(instance, argv);
    if (argc == 7 && strcmp(argv[1], "receive") == 0)
        return receive_file(instance, argv);
    fprintf(stderr, "usage: norm-file send|receive ... (see the source)\n");
    return 1;
}
