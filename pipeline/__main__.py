"""`python -m pipeline`."""

if __name__ == "__main__":
    import codecs
    import locale
    import os
    import signal
    import sys

    if os.name == "posix" and not sys.flags.utf8_mode and codecs.lookup(locale.getencoding()).name != "utf-8":
        # All files of the project are UTF-8, wherever it runs; what the terminal shows stays in its own letters.
        os.environ.setdefault("PYTHONIOENCODING", sys.stdout.encoding)
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606 (itself)
    own = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # else it is ignored: in the background
    if own:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C among these imports ends it without a traceback
    from pipeline.cli import main

    if own:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    main(prog_name="python -m pipeline")
