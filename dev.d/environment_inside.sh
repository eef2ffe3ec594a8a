# shellcheck shell=sh
# Run by environment.sh in namespaces of its own: ENGINES BASE SCRATCH VERSION INDEX
engines=$1 base=$2 scratch=$3 version=$4 index=$5
image=localhost/overlay2-ee:latest

# buildah starts itself again without LD_LIBRARY_PATH, so its libraries have to lie where the linker looks.
for libraries in "$engines"/usr/lib/*-linux-gnu*; do
    mount -t overlay -o "ro,lowerdir=/usr/lib/${libraries##*/}:$libraries" overlay "/usr/lib/${libraries##*/}"
done
PATH=$engines/usr/bin:$PATH
HOME=$scratch/home
mkdir -p "$HOME/.config/containers"
echo '{"default": [{"type": "insecureAcceptAnything"}]}' >"$HOME/.config/containers/policy.json"
printf '[storage]\ndriver = "overlay"\nrunroot = "%s/run"\ngraphroot = "%s/graph"\n' "$scratch" "$scratch" \
    >"$scratch/storage.conf"
export PATH HOME CONTAINERS_STORAGE_CONF="$scratch/storage.conf" BUILDAH_ISOLATION=chroot

container=$(buildah from scratch)
buildah add --quiet "$container" "$base" / >/dev/null
buildah commit --quiet --rm "$container" localhost/strata-base:latest >/dev/null
# Each RUN that cannot reach the network or a package would fail the build.
buildah bud --network host --layers=false --build-arg EE_BASE_IMAGE=localhost/strata-base:latest --tag "$image" \
    --env PIP_NO_COMPILE=1 --volume /etc/ssl/certs:/etc/ssl/certs:ro --env PIP_CERT=/etc/ssl/certs/ca-certificates.crt \
    ${index:+--env "PIP_INDEX_URL=$index"} --file "$scratch/context/Containerfile" "$scratch/context" \
    >"$scratch/build.log" 2>&1 </dev/null || {
    tail -n 60 "$scratch/build.log" >&2
    exit 1
}

container=$(buildah from "$image")
as_root() {
    buildah run --user root "$container" -- "$@" </dev/null
}
# As AWX and ansible-navigator start it: by its entry point, and as its own user.
as_user() {
    buildah run "$container" -- /opt/builder/bin/entrypoint dumb-init "$@" </dev/null
}
says() {
    wanted=$1
    shift
    said=$("$@" 2>&1) || {
        printf '%s\n' "$said" >&2
        return 1
    }
    case $said in
    *"$wanted"*) echo "ok: $* says $wanted" ;;
    *)
        printf '%s\ndev: %s does not say %s\n' "$said" "$*" "$wanted" >&2
        return 1
        ;;
    esac
}
says "strata.overlay2 $version" as_user ansible-galaxy collection list strata.overlay2
says "Docker's" as_user ansible-doc strata.overlay2.overlay2_facts
says 'build_host' as_user ansible-doc -t role -l strata.overlay2
cat >"$scratch/play.yml" <<'END'
- hosts: localhost
  gather_facts: false
  tasks:
    - strata.overlay2.overlay2_facts: {home: /tmp/store}
    - ansible.builtin.assert:
        that: not ansible_facts.overlay2.exists
        success_msg: there is no store
END
buildah copy --quiet "$container" "$scratch/play.yml" /runner/play.yml >/dev/null
says 'there is no store' as_root ansible-playbook /runner/play.yml
