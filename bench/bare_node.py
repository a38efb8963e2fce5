"""A process that only creates a node, says so, and spins: `python -m bench.bare_node NAME`."""

import sys

import rclpy
from rclpy.node import Node

if __name__ == "__main__":
    rclpy.init()
    node = Node(sys.argv[1])
    print("up", flush=True)
    rclpy.spin(node)
