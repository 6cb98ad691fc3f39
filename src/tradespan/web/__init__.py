"""The embedded UI and its API: one FastAPI application, one port, loopback only.

Start with `server.build_app`; pages stand in `pages/`, what the browser runs in `assets/`. Nothing
here is imported by the bot's process.
"""
