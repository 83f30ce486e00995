#!/bin/sh
# Takes the captures that select.py makes vectors of. Needs root, and Debian's
# libnorm-dev, g++, iproute2 and tcpdump. Usage: capture.sh DIRECTORY
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
cd "$1"
g++ -O2 -o driver "$here/driver.cpp" -lnorm

remove() { for n in tx rx; do ip netns del wire-$n 2>/dev/null || true; done; }
trap remove EXIT
remove
ip netns add wire-tx
ip netns add wire-rx
ip link add v0 netns wire-tx type veth peer name v0 netns wire-rx
i=0
for n in tx rx; do
    i=$((i + 1))
    ip -n wire-$n addr add 10.77.0.$i/24 dev v0
    ip -n wire-$n link set lo up
    ip -n wire-$n link set v0 up
    ip -n wire-$n route add 239.0.0.0/8 dev v0
done

# Arguments: name of the capture, sender's mode, feedback, loss in percent.
take() {
    ip netns exec wire-tx tcpdump -q -i v0 -w "$1.pcap" udp 2>/dev/null &
    dump=$!
    ip netns exec wire-rx ./driver recv "$3" "$4" 2>"$1.recv.log" &
    recv=$!
    sleep 1
    ip netns exec wire-tx ./driver "$2" 2>"$1.send.log" || true
    wait $recv || true
    sleep 1
    kill $dump
    wait $dump || true
}
take unicast send unicast 12
take multicast send multicast 35
take squelch squelch multicast 40
