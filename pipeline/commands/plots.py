"""Command `plots`: lets `dvc plots show` and `dvc plots diff` draw without a network.

DVC's page fetches its drawing library from the web. This writes a page that holds the library (as `vl-convert-python` brings it)
into `.dvc/plots.html`, which git ignores, and tells DVC in this clone's own settings, `.dvc/config.local`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from pipeline.core.errors import PipelineError
from pipeline.core.files import whole

PAGE, TEMPLATE = Path(".dvc/plots.html"), "plots.html"  # DVC takes a path from its folder
USED = "window.vega = vega; window.vegaLite = vegaLite; window.vegaEmbed = vegaEmbed;"
HTML = """<!DOCTYPE html>
<html>
<head>
{refresh_tag}
<meta charset="utf-8">
<title>Plots</title>
<script>%s</script>
</head>
<body>
{plot_divs}
</body>
</html>
"""


def main() -> None:
    """Write the page and the setting; `PipelineError` where the package is not installed."""
    try:
        import vl_convert  # noqa: PLC0415 (optional, large)
    except ImportError as error:
        raise PipelineError('plots need vl-convert-python: pip install -c constraints.txt -e ".[plots]"') from error
    script = vl_convert.javascript_bundle(USED).replace("</script", "<\\/script")
    with whole(PAGE) as unfinished:
        unfinished.write_text(HTML % script, encoding="utf-8")
    command = [sys.executable, "-m", "dvc", "config", "--local", "plots.html_template", TEMPLATE]
    subprocess.run(command, check=True)
    print(f"{PAGE}: written; `dvc plots show` and `dvc plots diff` now draw without a network")
