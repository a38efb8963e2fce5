"""What the reference modules read out of a problem: pure functions, no ROS, no network.

``problem`` is the problem as values, ``words`` how texts are compared, ``tasks`` chooses the ML
task, ``keywords`` the keywords, ``quantities`` reads numbers with units, ``demands`` and
``hardware`` what the application asks for, ``settings`` what users may configure.
"""
