# What bwrap.sh, chromium.sh and redis.sh share: a program of the distribution's own package, unpacked without root. Sourced by them.
#
# The package and the libraries that it lacks here are downloaded with apt-get (which checks their signatures) and unpacked into
# .tools (ignored by git); nothing is installed and root is not needed. The packages are those of the distribution, so that they
# fit its libc and carry its security updates.
# shellcheck shell=bash

download() { # PACKAGE FOLDER
  (cd "$2" && apt-get -qq -o APT::Sandbox::User=root download "$1" >/dev/null 2>&1)
}

# unpack puts PACKAGE's PROGRAM, a path in the package, behind a start script FOLDER/NAME. The script give_up is the caller's: it
# says what failed and how to help oneself, and exits.
unpack() { # PACKAGE PROGRAM FOLDER NAME
  local package=$1 program=$2 folder=$3 name=$4 lacking=false fetched again deb work
  command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || give_up "there is no $name, and no apt-get to fetch one"
  mkdir -p "$(dirname "$folder")"
  work=$(mktemp -d "$folder.XXXXXX")
  # shellcheck disable=SC2064 # as it is now
  trap "rm -rf '$work'" EXIT

  say "downloading $package from the distribution's archive"
  if ! download "$package" "$work"; then
    # The lists of packages may be missing or out of date; only root may fetch them.
    [ "$(id -u)" = 0 ] && apt-get update -qq >&2
    download "$package" "$work" || give_up "apt-get download $package failed (apt-get update?)"
  fi
  # What it needs, level by level, of that which is not here.
  fetched=" $package "
  again=true
  while $again; do
    again=false
    for package in $(for deb in "$work"/*.deb; do dpkg-deb -f "$deb" Pre-Depends Depends; done |
      sed -E 's/^[A-Za-z-]+: //; s/\([^)]*\)//g; s/\|[^,]*//g; s/,/\n/g; s/:any//g' | sed 's/[[:space:]]//g' | sort -u); do
      case "$fetched" in *" $package "*) continue ;; esac
      fetched="$fetched$package "
      dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' && continue
      case "$package" in adduser | lsb-base | passwd | sysvinit-utils | init-system-helpers) continue ;; esac # for installing alone
      download "$package" "$work" || give_up "apt-get download $package failed"
      again=true lacking=true
    done
  done

  mkdir "$work/root"
  for deb in "$work"/*.deb; do
    dpkg-deb -x "$deb" "$work/root"
    rm "$deb"
  done
  # Where nothing was lacking, the program itself will do.
  if ! $lacking; then
    ln -s "root/$program" "$work/$name"
  else
    cat >"$work/$name" <<START
#!/bin/sh
here=\$(cd "\$(dirname "\$0")" && pwd)
libraries=
for folder in "\$here"/root/usr/lib/*/ "\$here"/root/usr/lib/*-linux-*/*/ "\$here"/root/lib/*/; do
  [ -d "\$folder" ] && libraries="\$libraries\${libraries:+:}\$folder"
done
LD_LIBRARY_PATH="\$libraries\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}" exec "\$here/root/$program" "\$@"
START
  fi
  chmod 0755 "$work" "$work/$name"
  new_enough "$work/$name" || give_up "the unpacked $name does not run here, or is older than $oldest"
  rm -rf "$folder"
  mv "$work" "$folder"
  trap - EXIT
}
