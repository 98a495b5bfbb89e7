# Thin doors over .ci/bootstrap, which makes .venv from the lock; nothing here needs root or a running server.
.PHONY: help demo test lint test-long chaos test-browser test-fuzz bench serve work sweep lock pictures

help:            ## what there is
	@grep -E '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed 's/:.*##/  —/'
demo:            ## run the main job on the embedded profile and serve the admin (ARGS=--no-serve for scripts)
	@.ci/bootstrap manage.py demo $(ARGS)
test:            ## lint, types, import contracts, tests
	@.ci/bootstrap --test .ci/checks.py $(ARGS)
lint:            ## lint, types, import contracts
	@.ci/bootstrap --test .ci/checks.py --no-tests
test-long:       ## the long suites
	@.ci/bootstrap --test -m pytest -m long $(ARGS)
test-browser:    ## the pages in an installed Chromium (CHROMIUM=path), pictures of them into var/screenshots
	@HEADGATE_TEST_DATABASE=sqlite .ci/bootstrap --test .ci/checks.py --browser $(ARGS)
pictures:        ## the pictures of the README, taken anew
	@HEADGATE_TEST_DATABASE=sqlite .ci/bootstrap --test -m tests.browser.pictures
test-fuzz:       ## requests made from the description of the batch API, others each time (FUZZ=300 for each operation)
	@FUZZ=$${FUZZ:-300} .ci/bootstrap --test -m pytest tests/clients/test_description.py $(ARGS)
chaos:           ## faults injected into running houses, and the builds that must be caught (ARGS="R5 --seed 1")
	@.ci/bootstrap --test -m tests.chaos $(ARGS)
bench:           ## the benchmarks, as ratios within one run
	@.ci/bootstrap --test -m benchmarks $(ARGS)
serve:           ## the admin, workers and the sweeper in one process
	@.ci/bootstrap manage.py serve $(ARGS)
work:            ## a worker host (needs REDIS_URL)
	@.ci/bootstrap manage.py rundramatiq $(ARGS)
sweep:           ## the sweeper as a process
	@.ci/bootstrap manage.py sweep $(ARGS)
lock:            ## resolve the dependencies anew into .ci/lock-run.txt and .ci/lock-test.txt
	@for extra in run test; do .ci/bootstrap --test -m uv pip compile -q --universal --python-version 3.11 $$([ $$extra = test ] && echo --extra test) --no-annotate --no-header --generate-hashes pyproject.toml -o .ci/lock-$$extra.txt; done
