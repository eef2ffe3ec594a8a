# shellcheck shell=sh
# The site of docs/, of the READMEs, and of the documentation in plugins and roles. Sourced, after ready test.

# site: build the site in .cache/docs/html. A warning is a failure.
site() {
    stamp=$VENV/docs-$(cat requirements/docs.txt requirements/constraints.txt | sha256sum | cut -c 1-16)
    [ -e "$stamp" ] || {
        say "dev: installing the site's tools in .cache/venv"
        pip_install -r requirements/docs.txt
        : >"$stamp"
    }
    pages=$CACHE/docs/pages
    rm -rf "$CACHE/docs"
    mkdir -p "$pages"
    cp -R docs/. "$pages"
    cp docs/site/index.md "$pages/index.md"
    mkdir -m 0700 "$pages/collection" # antsibull-docs writes to no directory that others can write to
    ANSIBLE_COLLECTIONS_PATH=$ROOT/collections antsibull-docs collection --use-current --squash-hierarchy \
        --fail-on-error --no-add-antsibull-docs-version --dest-dir "$pages/collection" strata.overlay2
    python dev.d/pages.py "$ROOT" "$pages"
    sphinx-build --quiet --fail-on-warning --nitpicky --keep-going --conf-dir "$pages/site" \
        --doctree-dir "$CACHE/docs/doctrees" "$pages" "$CACHE/docs/html"
    say "dev: the site is $CACHE/docs/html/index.html"
}
