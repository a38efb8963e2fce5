"""The skin: rclpy and messages; carries events in and commands out, decides nothing."""
