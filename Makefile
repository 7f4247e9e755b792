# The commands people type. Each is one call; what it does is in fixtures/.

.PHONY: help conformance test prove bench diff history fleet image docs lint clean clean-cache reproduce-lock

help:
	@sh fixtures/run help

conformance:
	@sh fixtures/run conformance

test:
	@sh fixtures/run test

prove:
	@sh fixtures/run prove

bench:
	@sh fixtures/run bench

diff:
	@sh fixtures/run diff

history:
	@sh fixtures/run history

fleet:
	@sh fixtures/run fleet

image:
	@sh fixtures/run image

docs:
	@sh fixtures/run docs

lint:
	@sh fixtures/run lint

clean:
	@sh fixtures/run clean

clean-cache:
	@sh fixtures/run clean-cache

reproduce-lock:
	@sh fixtures/run reproduce-lock
