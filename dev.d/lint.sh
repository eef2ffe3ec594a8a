# shellcheck shell=sh
# ./dev lint [TOOL...]: run the given static checks, or all.
. dev.d/galaxy.sh
. dev.d/site.sh

ready test shellcheck
packages git

# shellcheck disable=SC2048 # words without blanks
for tool in ${*:-ruff shellcheck mypy changelog docs ansible-lint}; do
    say "dev: $tool"
    case $tool in
    ruff)
        ruff check
        ruff format --check
        ;;
    shellcheck)
        shellcheck --exclude=SC1090,SC1091 dev dev.d/*.sh .ci/run tests/*/*.sh extensions/molecule/*/files/*.sh \
            roles/*/files/*.sh
        ;;
    mypy) mypy ;;
    changelog) antsibull-changelog lint ;;
    docs)
        # Links out of the collection lead only to ansible-core, so checking them needs no other collection.
        antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs all --skip-rstcheck .
        site
        ;;
    ansible-lint)
        galaxy
        # With the scenarios' hosts, because a play for unknown hosts is an error.
        ANSIBLE_INVENTORY=$ROOT/extensions/molecule/inventory ansible-lint --offline
        ;;
    *) die "$tool is not a lint tool" ;;
    esac
done
