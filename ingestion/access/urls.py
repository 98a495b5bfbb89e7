"""Where programs get their tokens. Clients differ in the slash at the end, so each address is both."""

from django.urls import re_path

from ingestion.access.tokens import Token

app_name = "access"
urlpatterns = [
    re_path(r"^oauth/token/?$", Token.as_view(), name="token"),
    re_path(r"^ims/token/v3/?$", Token.as_view(), name="ims-token"),
]
