"""ROS 2 bags without ROS, through the `rosbags` library (the extra `[bag]`): sqlite3 and mcap, read and written.

`reading` opens bags, `messages` has the images in them, `skeleton_topics` defines and serialises what is written, and
`writing` writes a bag atomically.
"""
