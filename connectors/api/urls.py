"""The routes of connectors. Those of data sources are in `runs/api/urls.py`, the highest app that they show."""

from rest_framework.routers import SimpleRouter

from connectors.api.views import ConnectorViewSet

router = SimpleRouter()
router.register("connectors", ConnectorViewSet, basename="connector")
urlpatterns = router.urls
