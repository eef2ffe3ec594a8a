# shellcheck shell=sh
# ./dev lint [TOOL...]: the static checks, those named or all.
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
        # Links out of the collection go to ansible-core alone, so nothing has to be installed to check them.
        antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs all --skip-rstcheck .
        site
        ;;
    ansible-lint)
        galaxy
        # The hosts of the scenarios: a play for hosts that nobody knows is a mistake.
        ANSIBLE_INVENTORY=$ROOT/extensions/molecule/inventory ansible-lint --offline
        ;;
    *) die "no such tool: $tool" ;;
    esac
done
