"""The checks that hold for every kind that is fitted on train normals: scorers, normalizers and guards."""

from __future__ import annotations

from collections.abc import Callable

from asdcore.authoring.conformance.bench.driver import Bench, difference, require


def check_fit_returns_self(bench: Bench) -> None:
    """Fit returns the fitted component."""
    component = bench.build()
    fitted = bench.fit(component, bench.inputs(bench.train()))
    observed = f"fit returned {type(fitted).__name__}, not the fitted {type(component).__name__}."
    require(
        hasattr(fitted, bench.call_name),
        observed,
        "the framework goes on with what fit returns.",
        "fit ends without 'return self'.",
    )


def check_refuses_before_fit(bench: Bench) -> None:
    """Called before fit, the component raises instead of making something up."""
    component = bench.build()
    try:
        bench.call(component, bench.inputs(bench.rows(4, seed=1)))
    except Exception:
        return
    observed = f"{bench.call_name} before fit raised nothing."
    why = "scores that rest on no train normals would pass for real ones."
    require(False, observed, why, "defaults stand in for what fit should set; raise a DataError.")


def check_refit_forgets(bench: Bench) -> None:
    """Fitted a second time, the component is as if it had been fitted that once."""
    rows = bench.rows(bench.size, seed=2)
    once = bench.once(rows)
    fitted = bench.fit(bench.build(), bench.inputs(bench.train(seed=1)))
    bench.call(fitted, bench.inputs(bench.rows(4, seed=3)))
    fitted = bench.fit(fitted, bench.inputs(bench.train()))
    gap = difference(once, bench.call(fitted, bench.inputs(rows)), bench.rtol)
    why = "one component may be fitted to several machines, one after the other."
    require(
        not gap, f"Fitted to other train normals before, {gap}.", why, "fit adds to what was there, or keeps a cache."
    )


FITTED_CHECKS: tuple[Callable[[Bench], None], ...] = (
    check_fit_returns_self,
    check_refuses_before_fit,
    check_refit_forgets,
)
