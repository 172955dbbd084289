"""A portal where many users log in with Zoho and work on records with their own permissions."""

import os
import tempfile
from typing import Any

import httpx
import students
from flask import Flask, abort, flash, redirect, render_template, request, session, url_for
from flask_wtf import CSRFProtect
from werkzeug.exceptions import HTTPException
from zohocrmsdk.src.com.zoho.crm.api.exception import SDKException
from zohocrmsdk.src.com.zoho.crm.api.initializer import Initializer

from zoho_tokenstore import SQLAlchemyTokenStore, TokenStoreError
from zoho_tokenstore.errors import (
    LoginDeniedError,
    LoginError,
    LoginRequiredError,
    RefreshThrottledError,
    UnknownUserError,
)
from zoho_tokenstore.http import HTTPXAuth
from zoho_tokenstore.login import LoginFlow

SCOPES = (
    "ZohoCRM.modules.leads.ALL,ZohoCRM.settings.fields.READ,ZohoCRM.users.READ,ZohoCRM.org.READ"
)


def create_app() -> Flask:
    """Make the application from the environment; each worker process makes its own."""
    env, app = os.environ, Flask(__name__)
    app.config.update(
        SECRET_KEY=env["PORTAL_SECRET_KEY"],  # the same in all worker processes
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=env["PORTAL_REDIRECT_URL"].startswith("https://"),
    )
    CSRFProtect(app)
    store = SQLAlchemyTokenStore.from_env()
    flow = LoginFlow(
        store,
        client_id=env["ZOHO_CLIENT_ID"],
        client_secret=env["ZOHO_CLIENT_SECRET"],
        redirect_url=env["PORTAL_REDIRECT_URL"],
        scopes=SCOPES,
        accounts_url=env.get("ZOHO_TOKENSTORE_ACCOUNTS_URL", "https://accounts.zoho.com"),
    )
    os.chdir(tempfile.mkdtemp(prefix="portal-"))  # where the SDK keeps its descriptions of fields
    add_login(app, store, flow)
    add_students(app, store)
    add_problems(app)
    return app


def user_name() -> str:
    """Return who is logged in; send all others to the start page."""
    return session.get("user_name") or abort(redirect(url_for("index")))


def add_login(app: Flask, store: SQLAlchemyTokenStore, flow: LoginFlow) -> None:
    """Add the start page, the way to Zoho and back, and the end."""

    @app.get("/")
    def index() -> Any:
        if "user_name" in session:
            return redirect(url_for("list_students"))
        return render_template("index.html")

    @app.get("/login")
    def log_in() -> Any:
        login = flow.begin()
        session["state"] = login.state
        return redirect(login.url)

    @app.get("/callback")
    def callback() -> Any:
        token = flow.finish(request.args, state=session.pop("state", None))
        session.clear()
        session["user_name"] = token.user_name
        return redirect(url_for("list_students"))

    @app.post("/logout")
    def log_out() -> Any:
        name = user_name()
        session.clear()
        with store.acting_as(name):
            token = Initializer.get_initializer().token
            token.revoke(token.get_id())
            token.remove()
        flash("You are logged out.")
        return redirect(url_for("index"))


def add_students(app: Flask, store: SQLAlchemyTokenStore) -> None:
    """Add the pages on which a user works: by the SDK, and one by plain REST."""

    @app.get("/students")
    def list_students() -> Any:
        word = request.args.get("word", "").strip()
        with store.acting_as(user_name()):
            rows = students.listed(word)
        return render_template("students.html", students=rows, word=word)

    @app.get("/students/new")
    @app.get("/students/<int:number>")
    def show_student(number: int | None = None) -> Any:
        with store.acting_as(user_name()):
            student = {} if number is None else students.read(number) or abort(404)
        return render_template("student.html", student=student)

    @app.post("/students/new")
    @app.post("/students/<int:number>")
    def save_student(number: int | None = None) -> Any:
        values = request.form.to_dict()
        with store.acting_as(user_name()):
            refusal = students.save(number, values)
        if refusal is not None:
            flash(f"Zoho has not saved that: {refusal}")
            return render_template("student.html", student=values), 422
        flash("The student was saved.")
        return redirect(url_for("list_students"))

    @app.get("/account")
    def account() -> Any:
        token = store.access_token(user_name())
        auth = HTTPXAuth(store, token.user_name)
        with httpx.Client(base_url=f"{token.api_domain}/crm/v8", auth=auth) as client:
            user = client.get("/users?type=CurrentUser").json()["users"][0]
            organization = client.get("/org").json()["org"][0]
        return render_template("account.html", user=user, organization=organization, token=token)


def add_problems(app: Flask) -> None:
    """Add a polite page for all that can go wrong."""

    def problem(title: str, advice: str, status: int) -> Any:
        return render_template("problem.html", title=title, advice=advice), status

    @app.errorhandler(SDKException)
    @app.errorhandler(TokenStoreError)
    def token_problem(error: Exception) -> Any:
        reason = reason_of(error)
        if isinstance(reason, LoginRequiredError | UnknownUserError):
            session.clear()
            flash("Your login has ended. Please log in again.")
            return redirect(url_for("index"))
        app.logger.warning("Zoho: %s", reason or type(error).__name__)
        return problem(*advice_about(reason))

    @app.errorhandler(HTTPException)
    def http_problem(error: HTTPException) -> Any:
        if error.code is None:  # a redirect to the start page
            return error.response
        return problem(error.name, "Please go back and try again.", error.code)


def reason_of(error: BaseException | None) -> TokenStoreError | None:
    """Return the store's own error, which the SDK wraps."""
    while error is not None and not isinstance(error, TokenStoreError):
        error = getattr(error, "cause", None) or error.__cause__
    return error


def advice_about(reason: TokenStoreError | None) -> tuple[str, str, int]:
    """Return a title, a sentence and an HTTP status."""
    match reason:
        case LoginDeniedError():
            return "You are not logged in", "You have not consented.", 403
        case LoginError():
            return "The login has failed", "Please log in again.", 400
        case RefreshThrottledError(seconds=seconds):
            return "One moment, please", f"Please try again in {seconds:.0f} seconds.", 503
        case _:
            return "Zoho cannot be reached", "Please try again in a minute.", 502
