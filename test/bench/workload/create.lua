-- wrk sends this form with each request.
wrk.method = "POST"
wrk.body = "title=A+title&content=Some+content"
wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
