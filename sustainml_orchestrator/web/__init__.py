"""The web page: a ROS client of the orchestrator that serves its state to browsers.

FastAPI with a WebSocket for what changes, and small modules of JavaScript without a build step:
a page that NiceGUI makes stays blank under a content security policy without inline scripts, and
loads 2.4 MB where this one loads 0.1 MB.
"""
