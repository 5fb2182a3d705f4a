"""What the mock costs: valid upserts a second under wrk, beside an ASGI app that answers a constant on the same server.

Both run in processes of their own; blocks are interleaved, and the median of the pairs' ratios is what counts.
"""

from __future__ import annotations

import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PAIRS = 15
BLOCK = "1s"

# Both servers stand on the protocol class of the mock, so that nothing but the application differs.
SERVE = """
import sys, uvicorn
from contact_apis.mock import MockServer
server = MockServer(port=0)
if sys.argv[1] == "constant":
    async def constant(scope, receive, send):
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json"), (b"content-length", b"15")]})
        await send({"type": "http.response.body", "body": b'{"status": true}'[:15]})
    server._server.config.app = constant
print(server.base_url, server.env["PRISTO_API_KEY"], server.env["PRISTO_POPULATION_ID"], flush=True)
server.serve()
"""

# A hundred contacts in turn.
WRK = """
local n = 0
request = function()
  n = (n + 1) % 100
  local body = string.format('{"contact": {"id": "a6d60792-18b0-5e4d-ad1e-9e0fcf4300%02d", "email": "ada@example.com", "name": "Ada", "lastName": "Lovelace"}}', n)
  return wrk.format("POST", "PATH", {["X-API-Key"] = "KEY", ["Content-Type"] = "application/json"}, body)
end
"""


def resident(process: subprocess.Popen[str]) -> int:
    """Resident memory of a process in kilobytes."""
    return int(re.findall(r"VmRSS:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text())[0])


def main() -> int:
    """Prints the ratio and the growth of memory; the result is the exit code."""
    if shutil.which("wrk") is None:
        print("bench: wrk is missing; on Debian and Ubuntu: apt-get install wrk")
        return 2
    servers: dict[str, subprocess.Popen[str]] = {}
    try:
        with tempfile.TemporaryDirectory() as folder:
            commands = {}
            for name in ("mock", "constant"):
                servers[name] = subprocess.Popen(
                    [sys.executable, "-c", SERVE, name], stdout=subprocess.PIPE, text=True
                )
                output = servers[name].stdout
                assert output is not None
                url, key, population = output.readline().split()
                script = Path(folder) / f"{name}.lua"
                script.write_text(
                    WRK.replace("PATH", f"/v1/contacts/save/{population}").replace("KEY", key)
                )
                commands[name] = ["wrk", "-t1", "-c8", f"-d{BLOCK}", "-s", str(script), url]
            time.sleep(0.5)
            rates: dict[str, list[float]] = {"mock": [], "constant": []}
            memory = []
            for pair in range(PAIRS + 1):
                for name in ("mock", "constant") if pair % 2 else ("constant", "mock"):
                    done = subprocess.run(
                        commands[name], capture_output=True, text=True, check=True
                    )
                    assert "Non-2xx" not in done.stdout, done.stdout
                    rate = float(re.findall(r"Requests/sec:\s+([\d.]+)", done.stdout)[0])
                    if pair:  # the first pair warms up
                        rates[name].append(rate)
                memory.append(resident(servers["mock"]))
    finally:
        for process in servers.values():
            process.terminate()
    ratio = statistics.median(
        mock / constant for mock, constant in zip(rates["mock"], rates["constant"], strict=True)
    )
    growth = memory[-1] / memory[1]
    print(
        f"mock {statistics.median(rates['mock']):.0f}/s, constant {statistics.median(rates['constant']):.0f}/s, median of {PAIRS} pairs' ratios {ratio:.2f} (at least 0.4)"
    )
    print(
        f"memory of the mock after {sum(rates['mock']):.0f} upserts of 100 contacts: {growth:.3f} times that after the first block (at most 1.05)"
    )
    reports = Path("reports/bench")
    reports.mkdir(parents=True, exist_ok=True)
    (reports / "mock.json").write_text(
        json.dumps(
            {"ratio": ratio, "growth": growth, "rates": rates, "memory_kb": memory}, indent=1
        )
    )
    return int(ratio < 0.4 or growth > 1.05)


if __name__ == "__main__":
    sys.exit(main())
