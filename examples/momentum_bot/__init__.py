"""A small momentum trading bot that has never heard of tracing."""

import logging

# Whoever runs the bot decides where its log goes; nothing is printed unasked.
logging.getLogger(__name__).addHandler(logging.NullHandler())
