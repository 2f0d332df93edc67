"""Servers for a live host: what `vnic run --serve` offers, and examples: only asyncio and the host's own calls.

>>> with vnic.Host(ip="10.0.0.2/24", wire=tap, live=True, tcp="endpoint") as host, host.running():
...     with vnic.serve.Servers(host, ["http:80:/srv", "iperf3"]):
...         time.sleep(60)
"""

from vnic.serve.servers import KINDS, Servers, Service, parse

__all__ = ["KINDS", "Servers", "Service", "parse"]
