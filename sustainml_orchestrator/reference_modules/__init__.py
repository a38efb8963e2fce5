"""The six reference modules: transparent estimates, meant to be replaced one by one."""
