"""Pure estimates behind the reference modules: no ROS, no clock, no network.

``models`` and ``devices`` read the catalogues, ``selection`` chooses a model, ``roofline`` predicts
latency, power and memory, ``placement`` chooses a device, ``regions`` and ``carbon`` turn energy
into emissions.
"""
