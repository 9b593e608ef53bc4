"""A Flask app on werkzeug's server: `flask-app.py HTTP/1.1|HTTP/1.0`. Prints its port."""
import sys

from flask import Flask, Response, redirect, request
from werkzeug.serving import WSGIRequestHandler, make_server

WSGIRequestHandler.protocol_version = sys.argv[1]
WSGIRequestHandler.log_request = lambda *_: None
app = Flask("odd")
seen = [0]


@app.before_request
def count():
    seen[0] += request.path != "/count"


@app.get("/count")
def counted():
    return str(seen[0])


@app.get("/plain")
def plain():
    return "x" * 612


@app.get("/pieces")
def pieces():
    return Response(f"part {i}" for i in range(20))


@app.get("/204")
def nothing():
    return "", 204


@app.get("/304")
def unchanged():
    return "", 304


@app.get("/away")
def away():
    return redirect("/plain")


@app.post("/echo")
def echo():
    return request.get_data()


server = make_server("127.0.0.1", 0, app, threaded=False)
print(server.server_port, flush=True)
server.serve_forever()
