"""Where programs get their tokens. Clients differ in the slash at the end and in the version, so all are taken."""

from django.urls import re_path

from ingestion.access.tokens import Token

app_name = "access"
urlpatterns = [
    re_path(r"^oauth/token/?$", Token.as_view(), name="token"),
    re_path(r"^ims/token/v[1-4]/?$", Token.as_view(), name="ims-token"),
]
