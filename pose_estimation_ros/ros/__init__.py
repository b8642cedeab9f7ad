"""ROS 2 nodes and what they speak: the only importer of rclpy and message packages."""
