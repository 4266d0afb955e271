"""The kernel: settings, contracts, telemetry, the local stack and the command line.

Every part of the platform may import the kernel; the kernel imports none of them.
"""
