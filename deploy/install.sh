#!/usr/bin/env bash
# Installs bibwatch from this checkout as a systemd service, or brings an installed one up to date. See README.md here.
set -euo pipefail
umask 022 # the service's user must be able to read what root puts there

checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=${PYTHON:-python3}
prefix='' root='' light=false dry_run=false uninstall=false

usage() {
	cat <<'END'
Usage: deploy/install.sh [--light] [--prefix DIR] [--root DIR] [--dry-run] [--uninstall]

Installs bibwatch as a systemd service; run again, it brings the installed one up to date.

  --light        the core only: no engine dossard, no training, no journal fields
  --prefix DIR   where the program goes (default: where it is already, else /opt/bibwatch)
  --root DIR     put the files below DIR and touch nothing of the running system (for packagers and tests)
  --dry-run      print every command, change nothing
  --uninstall    remove program and unit; config, database, photos, links and the user stay
  --help         this text

Examples:
  deploy/install.sh --dry-run            what would it do?
  sudo deploy/install.sh                 everything: torch and EasyOCR too, 6 GB
  sudo deploy/install.sh --light         reads with engine ppocr only, half a minute
  sudo deploy/install.sh --uninstall
END
}

heading() { printf '== %s\n' "$*"; }
say() { printf '   %s\n' "$*"; }
die() { printf 'install.sh: %s\n' "$*" >&2 && exit 1; }
misused() { printf 'install.sh: %s\n\n' "$*" >&2 && usage >&2 && exit 2; }
need_folder() { [[ ${2-} == /?* ]] || misused "$1 needs the absolute path of a folder"; }

run() {
	printf '   +%s\n' "$(printf ' %q' "$@")"
	$dry_run || "$@"
}

read_options() {
	while (($#)); do
		case $1 in
		--light) light=true ;;
		--dry-run) dry_run=true ;;
		--uninstall) uninstall=true ;;
		--prefix) need_folder "$@" && prefix=${2%/} && shift ;;
		--root) need_folder "$@" && root=${2%/} && shift ;;
		--help) usage && exit ;;
		*) misused "no such option: $1" ;;
		esac
		shift
	done
}

find_places() {
	unit=$root/etc/systemd/system/bibwatch.service
	users=$root/etc/sysusers.d/bibwatch.conf
	folders=$root/etc/tmpfiles.d/bibwatch.conf
	config=$root/etc/bibwatch/config.yaml
	is_update=false
	if [[ -e $unit ]]; then
		is_update=true
		prefix=${prefix:-$(sed -n 's|^ExecStart=\(.*\)/bin/bibwatch .*|\1|p' "$unit")}
	fi
	prefix=${prefix:-/opt/bibwatch}
	[[ $prefix =~ ^/[A-Za-z0-9._/-]+$ ]] || misused "--prefix may hold only letters, digits and / . _ -"
}

check_machine() {
	"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || die "needs Python 3.11 or newer as $python"
	"$python" -c 'import os, sys; sys.exit(os.path.realpath(sys.executable).startswith("/root/"))' ||
		die "the service's user cannot reach $python, which lies below /root; name another: PYTHON=/usr/bin/python3 $0"
	"$python" -c 'import ensurepip, venv' 2>/dev/null || die "Python's venv is missing; Debian: apt install python3-venv"
	command -v systemd-sysusers systemd-tmpfiles >/dev/null || die "needs systemd-sysusers and systemd-tmpfiles"
	if [[ -e $prefix && ! -e $prefix/pyvenv.cfg && -n $(ls -A "$prefix") ]]; then
		die "$prefix holds something else; name another folder with --prefix"
	fi
}

# Sets `extras` to what pip is to add.
choose_extras() {
	extras='[web]' && $light && return
	extras='[dossard,gpu,train,systemd,web]'
	local header='import os, sysconfig; os.stat(os.path.join(sysconfig.get_path("include"), "Python.h"))'
	if ! { pkg-config --exists libsystemd && command -v gcc && "$python" -c "$header"; } >/dev/null 2>&1; then
		extras='[dossard,gpu,train,web]'
		say "left out: journal fields, because systemd-python cannot be built here. To have them, install again after this:"
		say "  apt install gcc pkg-config libsystemd-dev python3-dev"
	fi
}

install_program() {
	heading "Installing the program into $prefix"
	if [[ -n $root ]]; then
		say "left out: a virtual environment cannot be made below --root"
		return
	fi
	$dry_run || check_machine
	choose_extras
	run "$python" -m venv "$prefix"
	# From a copy, since a build leaves files behind, and root's have no place in somebody's checkout.
	run rm -rf "$prefix/src"
	run mkdir "$prefix/src"
	run cp -r "$checkout/pyproject.toml" "$checkout/README.md" "$checkout/LICENSE" "$checkout/bibwatch" "$prefix/src"
	run "$prefix/bin/python" -m pip install --no-input -c "$checkout/constraints.txt" "$prefix/src$extras"
	run rm -rf "$prefix/src"
}

install_files() {
	heading "Making the user and the folders"
	run install -D -m 644 "$checkout/deploy/sysusers.conf" "$users"
	run install -D -m 644 "$checkout/deploy/tmpfiles.conf" "$folders"
	[[ -n $root ]] || run systemd-sysusers "$users"
	[[ -n $root ]] || run systemd-tmpfiles --create "$folders"
	heading "Installing the config"
	if [[ -e $config ]]; then
		say "kept as it is: $config"
	else
		run install -D -m 644 "$checkout/deploy/config.yaml" "$config"
	fi
	heading "Installing the unit"
	run install -D -m 644 "$checkout/deploy/bibwatch.service" "$unit"
	[[ $prefix == /opt/bibwatch ]] || run sed -i "s|^ExecStart=/opt/bibwatch/|ExecStart=$prefix/|" "$unit"
}

start_service() {
	heading "Starting the service"
	local start=(systemctl enable --now bibwatch)
	# Who stopped it on purpose does not want an update to start it.
	! $is_update || start=(systemctl try-restart bibwatch)
	if ! $is_live; then
		say "left out, since systemd is not to be told from here. Where it runs: systemctl daemon-reload && ${start[*]}"
		return
	fi
	run systemctl daemon-reload
	run "${start[@]}" || say "it did not start; it tries again every 5 s. Why: journalctl -u bibwatch -n 20"
}

say_what_is_next() {
	heading "Next"
	say "what is to mend:       cd / && runuser -u bibwatch -- $prefix/bin/bibwatch check -c /etc/bibwatch/config.yaml"
	say "who may bring photos:  usermod -aG bibwatch NAME    (from their next login on)"
	say "where they go:         /srv/bibwatch/incoming; the links come into /srv/bibwatch/bibs"
	say "what it does:          journalctl -u bibwatch -f"
}

remove() {
	heading "Removing bibwatch"
	if $is_live && $is_update; then run systemctl disable --now bibwatch; fi
	run rm -f "$unit" "$users" "$folders"
	if $is_live; then run systemctl daemon-reload; fi
	if [[ -e $root$prefix/pyvenv.cfg && -e $root$prefix/bin/bibwatch ]]; then
		run rm -rf "$root$prefix"
	else
		say "no bibwatch in $root$prefix"
	fi
	heading "Kept"
	say "config:            $root/etc/bibwatch, and drop-ins in $unit.d"
	say "database, models:  $root/var/lib/bibwatch"
	say "photos and links:  $root/srv/bibwatch, or where the config says"
	say "user and group:    bibwatch, who owns them"
}

read_options "$@"
find_places
is_live=false # whether there is a running systemd that is ours to tell
[[ -n $root || ! -d /run/systemd/system ]] || is_live=true
[[ -n $root || $EUID == 0 ]] || $dry_run || die "needs root: sudo $0, or try --dry-run"
if $uninstall; then
	remove
else
	install_program
	install_files
	start_service
	say_what_is_next
fi
