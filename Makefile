# The commands people type. Each is one call; what it does is in fixtures/.

.PHONY: help conformance reproduce bundle test prove guest bench diff history fleet rbac image docs lint clean clean-cache reproduce-lock

help:
	@sh fixtures/run help

conformance:
	@sh fixtures/run conformance

reproduce:
	@sh fixtures/run reproduce

bundle:
	@sh fixtures/run bundle

test:
	@sh fixtures/run test

prove:
	@sh fixtures/run prove

guest:
	@sh fixtures/run guest

bench:
	@sh fixtures/run bench

diff:
	@sh fixtures/run diff

history:
	@sh fixtures/run history

rbac:
	@sh fixtures/run rbac

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
