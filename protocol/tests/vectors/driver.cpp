// Drives NRL's libnorm so that every message it knows appears on the wire.
// See README.md for how it is run.
//
//   driver send    a small object with INFO, FLUSH with an acking list,
//                  an application command, then EOT
//   driver squelch an object that is withdrawn while receivers still ask
//   driver recv unicast|multicast LOSS_PERCENT
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <normApi.h>
#include <sys/select.h>
#include <vector>

static double now() {
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

// Handles events for `seconds`, or until one of type `until`.
static bool run(NormInstanceHandle instance, double seconds, NormEventType until) {
    double end = now() + seconds;
    while (now() < end) {
        fd_set set;
        FD_ZERO(&set);
        int fd = NormGetDescriptor(instance);
        FD_SET(fd, &set);
        timeval wait = {0, 10000};
        if (select(fd + 1, &set, nullptr, nullptr, &wait) <= 0) continue;
        NormEvent event;
        while (NormGetNextEvent(instance, &event, false)) {
            fprintf(stderr, "event %d\n", event.type);
            if (event.type == until) return true;
        }
    }
    return false;
}

int main(int argc, char** argv) {
    if (argc < 2) return 1;
    bool receiver = !strcmp(argv[1], "recv");
    NormInstanceHandle instance = NormCreateInstance();
    NormSessionHandle session = NormCreateSession(instance, "239.77.0.1", 6003, receiver ? 2 : 1);
    NormSetMulticastInterface(session, "v0");
    if (receiver) {
        if (argc < 4) return 1;
        NormSetDefaultUnicastNack(session, !strcmp(argv[2], "unicast"));
        NormSetRxLoss(session, atof(argv[3]));
        NormStartReceiver(session, 1 << 20);
        run(instance, 6.0, NORM_EVENT_INVALID);
        NormDestroyInstance(instance);
        return 0;
    }
    NormSetTxRate(session, 2e6);
    NormSetGrttEstimate(session, 0.02);
    NormSetGroupSize(session, 50);
    NormSetTxRobustFactor(session, 4);
    NormSetCongestionControl(session, true, false);
    NormAddAckingNode(session, 2);
    NormStartSender(session, 0x4c43, 1 << 20, 256, 16, 4, 129);
    std::vector<char> data(20000);
    for (size_t i = 0; i < data.size(); i++) data[i] = (char)(i * 31 >> 3);
    const char info[] = "object of the golden vectors";
    if (!strcmp(argv[1], "squelch")) {
        NormSetTxRate(session, 4e5);
        for (int i = 0; i < 4; i++) {
            NormObjectHandle object = NormDataEnqueue(session, data.data(), 6000, info, sizeof info);
            run(instance, 0.1, NORM_EVENT_INVALID);
            if (i < 3) NormObjectCancel(object);
        }
        run(instance, 2.0, NORM_EVENT_INVALID);
    } else {
        NormObjectHandle object = NormDataEnqueue(session, data.data(), data.size(), info, sizeof info);
        NormSetWatermark(session, object);
        run(instance, 3.0, NORM_TX_WATERMARK_COMPLETED);
        NormSendCommand(session, "golden command", 14, false);
        run(instance, 0.3, NORM_EVENT_INVALID);
    }
    NormStopSender(session);
    run(instance, 1.0, NORM_LOCAL_SENDER_CLOSED);
    NormDestroyInstance(instance);
}
