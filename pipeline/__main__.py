"""`python -m pipeline`."""

if __name__ == "__main__":
    import signal

    own = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # else it is ignored: in the background
    if own:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C among these imports ends it without a traceback
    from pipeline.cli import main

    if own:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    main(prog_name="python -m pipeline")
