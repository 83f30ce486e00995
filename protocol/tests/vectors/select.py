#!/usr/bin/env python3
"""Picks from captures one message of each shape: select.py CAPTURE... > libnorm.txt"""
import struct
import sys

UDP_PAYLOAD = 14 + 20 + 8
TYPES = {1: "info", 2: "data", 3: "cmd", 4: "nack", 5: "ack", 6: "report"}
COMMANDS = {1: "flush", 2: "eot", 3: "squelch", 4: "cc", 5: "repair-adv", 6: "ack-req", 7: "application"}


def packets(path):
    raw = open(path, "rb").read()
    at = 24
    while at < len(raw):
        length = struct.unpack_from("<I", raw, at + 8)[0]
        yield raw[at + 16 + UDP_PAYLOAD : at + 16 + length]
        at += 16 + length


def requests(data):
    """The forms and levels of repair requests, as part of the name."""
    name = ""
    while data:
        form, level, length = struct.unpack_from(">BBH", data)
        name += "-%s%d" % ({1: "items", 2: "ranges", 3: "erasures"}[form], level)
        data = data[4 + length :]
    return name


def shape(message):
    kind, header = message[0] & 15, message[1] * 4
    name = TYPES[kind]
    if kind == 2:
        source = message[22:24] < message[20:22]
        name += "-source" if source else "-parity"
        name += "-flags%02x" % message[12] + ("-short" if source and len(message) < header + 256 else "")
    elif kind == 3:
        name += "-" + COMMANDS[message[12]]
        if message[12] == 5:
            name += requests(message[header:])
        elif message[12] != 7:
            name += "-empty" if len(message) == header else "-list"
    elif kind == 4:
        name += requests(message[header:])
    elif kind == 5:
        name += "-type%d" % message[14]
    return name


seen = set()
for path in sys.argv[1:]:
    for message in packets(path):
        name = shape(message)
        if name not in seen:
            seen.add(name)
            print(name, message.hex())
