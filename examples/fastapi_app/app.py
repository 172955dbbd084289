"""FastAPI: plain REST through ``HTTPXAuth``, and the SDK in a thread."""

import asyncio
from typing import Annotated, Any

import httpx
from fastapi import Depends, FastAPI, Header, HTTPException, Request
from fastapi.responses import JSONResponse
from zohocrmsdk.src.com.zoho.crm.api.record import RecordOperations

from zoho_tokenstore import SQLAlchemyTokenStore
from zoho_tokenstore.errors import LoginRequiredError, UnknownUserError
from zoho_tokenstore.http import HTTPXAuth

app = FastAPI()
store = SQLAlchemyTokenStore.from_env()


def current_user(x_user: Annotated[str | None, Header()] = None) -> str:
    """Return who asks; an application of yours takes the name from its session."""
    if x_user is None:
        raise HTTPException(401)
    return x_user


User = Annotated[str, Depends(current_user)]


@app.get("/leads/{number}")
async def read_lead(number: int, user: User) -> Any:
    """Read a lead by plain REST, without blocking the event loop."""
    token = await asyncio.to_thread(store.access_token, user)
    async with httpx.AsyncClient(auth=HTTPXAuth(store, user)) as client:
        response = await client.get(f"{token.api_domain}/crm/v8/Leads/{number}")
    return response.json()["data"][0]


@app.get("/sdk/leads/{number}")
async def read_lead_by_sdk(number: int, user: User) -> Any:
    """Read a lead by the SDK: the whole block runs in one thread."""

    def read() -> dict[str, Any]:
        with store.acting_as(user):
            record = RecordOperations("Leads").get_record(number).get_object().get_data()[0]
        return {"Email": record.get_key_value("Email")}

    return await asyncio.to_thread(read)


@app.exception_handler(UnknownUserError)
@app.exception_handler(LoginRequiredError)
async def log_in_again(_: Request, error: Exception) -> JSONResponse:
    """Tell the browser to log in."""
    return JSONResponse({"detail": str(error)}, status_code=401)
