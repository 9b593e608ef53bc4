"""The predecessor's stack, for comparison: Flask on SQLite, its pages rewritten for this bench.

A connection a request and a query for all posts, as the classic tutorial has it; but only the newest
20 are rendered, so that the page has the size of ours. Templates are compiled once and kept, as Flask
does with files: render_template_string would compile them anew on each request. Run with gunicorn, one
worker:

    DATABASE=posts.db gunicorn --workers 1 --bind 127.0.0.1:PORT peer_flask:app
"""
import os
import sqlite3

from flask import Flask, redirect, render_template, request, url_for
from jinja2 import DictLoader

app = Flask(__name__)

BASE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }} - My Scratch Pad</title>
</head>
<body>
<nav><a href="{{ url_for('index') }}">My Scratch Pad</a> <a href="{{ url_for('create') }}">New Post</a></nav>
<main>
"""
INDEX = BASE + """<h1>Posts</h1>
<ul class="posts">
{% for post in posts %}<li>
<h2><a href="{{ url_for('post', post_id=post['id']) }}">{{ post['title'] }}</a></h2>
<time>{{ post['created'] }}</time>
<a class="edit" href="{{ url_for('edit', id=post['id']) }}" aria-label="Edit {{ post['title'] }}">Edit</a>
</li>
{% endfor %}</ul>
</main></body></html>
"""
POST = BASE + """<article><h1>{{ post['title'] }}</h1>
<time>{{ post['created'] }}</time>
<p class="content">{{ post['content'] }}</p></article>
</main></body></html>
"""
app.jinja_loader = DictLoader({"index.html": INDEX, "post.html": POST})


def get_db_connection():
    connection = sqlite3.connect(os.environ["DATABASE"])
    connection.row_factory = sqlite3.Row
    return connection


@app.route("/")
def index():
    connection = get_db_connection()
    posts = connection.execute("SELECT * FROM posts ORDER BY id DESC LIMIT 20").fetchall()
    connection.close()
    return render_template("index.html", title="Posts", posts=posts)


@app.route("/<int:post_id>")
def post(post_id):
    connection = get_db_connection()
    found = connection.execute("SELECT * FROM posts WHERE id = ?", (post_id,)).fetchone()
    connection.close()
    return render_template("post.html", title=found["title"], post=found)


@app.route("/create", methods=("GET", "POST"))
def create():
    connection = get_db_connection()
    connection.execute(
        "INSERT INTO posts (title, content) VALUES (?, ?)",
        (request.form["title"], request.form["content"]),
    )
    connection.commit()
    connection.close()
    return redirect(url_for("index"))


@app.route("/<int:id>/edit")
def edit(id):
    return redirect(url_for("post", post_id=id))
