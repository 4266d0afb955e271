"""What crosses from one part to another: tables that are captured, topics, events, serving messages.

A part reads another's data only through these. Changing one is changing an interface: add, do not rename.
"""
