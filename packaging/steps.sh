# Shared by quickstart, check and bench/run; source it, do not run it.
#
#   step "what it does" COMMAND…   runs the command, shows that it goes on and how long it took; on failure its last lines
#   packages build run …           installs what is missing of the lists in packaging/packages
#   page_libraries                 installs node and npm when there are none, and what web/package-lock.json lists

steps_log=$(mktemp -t suricate-steps.XXXXXX)
steps_number=0
steps_last=true
trap '$steps_last; rm -f "$steps_log"' EXIT

# What to do when the script ends, whichever way; the last one given counts.
at_exit() { steps_last=$1; }

say() { printf '%s\n' "$*"; }
fail() {
  printf '\n%s\n' "$*" >&2
  exit 1
}

seconds() { printf '%d.%d s' $(($1 / 1000)) $(($1 % 1000 / 100)); }
now_ms() { printf '%s' $((${EPOCHREALTIME/[.,]/} / 1000)); }

# Runs a command with its output kept in a file. On a terminal one line moves along with the command's last words.
step() {
  local title=$1 began status=0 shell width
  shift
  steps_number=$((steps_number + 1))
  began=$(now_ms)
  : >"$steps_log"
  if [ -t 1 ]; then
    width=$(($(tput cols 2>/dev/null || echo 80) - 1))
    ("$@") >"$steps_log" 2>&1 &
    shell=$!
    while kill -0 "$shell" 2>/dev/null; do
      printf '\r\033[K%.*s' "$width" "$steps_number. $title … $(seconds $(($(now_ms) - began)))  $(tail -c 200 "$steps_log" | tr '\r' '\n' | tail -n 1)"
      sleep 0.2
    done
    wait "$shell" || status=$?
    printf '\r\033[K'
  else
    printf '%d. %s …\n' "$steps_number" "$title"
    ("$@") >"$steps_log" 2>&1 || status=$?
  fi
  if [ $status -ne 0 ]; then
    printf '%d. %s: failed after %s\n' "$steps_number" "$title" "$(seconds $(($(now_ms) - began)))" >&2
    tail -n 40 "$steps_log" >&2
    return $status
  fi
  printf '%d. %s: %s\n' "$steps_number" "$title" "$(seconds $(($(now_ms) - began)))"
}

installed() { [ "$(dpkg-query -W -f '${Status}' "$1" 2>/dev/null)" = "install ok installed" ]; }
# Read to the end before matching: with pipefail, a grep that stops early would make apt-cache's SIGPIPE the answer.
can_be_had() { [[ $(apt-cache policy "$1" 2>/dev/null) =~ Candidate:\ [^\(] ]]; }

# The packages of the named lists that are not installed.
missing_packages() {
  local name list
  for list in "$@"; do
    while read -r name; do
      installed "$name" || printf '%s\n' "$name"
    done < <(sed 's/#.*//; /^[[:space:]]*$/d' "$source_root/packaging/packages/$list")
  done | sort -u
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

install_packages() {
  local name absent=()
  # Ask for a fresh list only when the present one does not know a package.
  for name in "$@"; do can_be_had "$name" || absent+=("$name"); done
  if [ ${#absent[@]} -gt 0 ]; then
    as_root apt-get update || say "apt-get update failed; going on with the package lists that are here"
    for name in "$@"; do
      can_be_had "$name" || { say "The Debian package $name cannot be had from this machine's package sources."; return 1; }
    done
  fi
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" && return 0
  # The lists may name versions that are gone by now.
  as_root apt-get update
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" && return 0
  for name in "$@"; do installed "$name" || say "The Debian package $name could not be installed."; done
  return 1
}

# The libraries of the page (web/package-lock.json), for its build: installed again when the list has changed.
page_libraries() {
  local stamp=$source_root/web/node_modules/.installed lock
  if ! command -v node >/dev/null || ! command -v npm >/dev/null; then packages page; fi
  lock=$(sha256sum "$source_root/web/package-lock.json" | cut -d' ' -f1)
  [ "$(cat "$stamp" 2>/dev/null)" = "$lock" ] && return 0
  step "The page's libraries" npm_ci || fail "The page's libraries could not be installed; the lines above say why."
  printf '%s\n' "$lock" >"$stamp"
}
npm_ci() { npm ci --prefix "$source_root/web" --no-audit --no-fund --ignore-scripts --loglevel=error; }

packages() {
  local wanted
  command -v apt-get >/dev/null && command -v dpkg-query >/dev/null ||
    fail "This machine has no apt-get: Suricate is built and tried on Debian 12. Install what packaging/packages lists by hand."
  mapfile -t wanted < <(missing_packages "$@")
  [ ${#wanted[@]} -gt 0 ] || return 0
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null ||
      fail "Missing Debian packages: ${wanted[*]}
You are not root and there is no sudo here. Have an administrator run:  apt-get install ${wanted[*]}"
    sudo -n true 2>/dev/null || { [ -t 0 ] && sudo -v; } ||
      fail "Missing Debian packages: ${wanted[*]}
sudo wants a password and nobody is there to type it. Run this first:  sudo apt-get install ${wanted[*]}"
  fi
  step "Installing ${#wanted[@]} Debian packages (${wanted[*]})" install_packages "${wanted[@]}" || exit 1
}
