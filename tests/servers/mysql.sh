#!/usr/bin/env bash
# Runs a temporary MySQL server on loopback, with durability turned off for speed.
#
#   mysql.sh fetch            unpacks the server once, without root and without installing it
#   mysql.sh run DIR PORT [OPTION]…
#                             initializes DIR if it is new, and becomes the server until it or its
#                             parent is killed; creates DIR/url when the server accepts queries
#   mysql.sh sql DIR [ARG]…   runs a client as root
#
# Debian has MySQL only in sid, so the packages are unpacked into a cache, with the loader and the
# libraries that they need. Delete the cache to fetch a newer version.
set -euo pipefail

tree=${XDG_CACHE_HOME:-$HOME/.cache}/guestlist-tests/mysql

fetch() {
  mkdir -p "${tree%/*}"
  [[ -x $tree/usr/sbin/mysqld ]] || (flock 9 && { [[ -x $tree/usr/sbin/mysqld ]] || unpack; }) 9>"$tree.lock"
}

# Uses the host's mirror with the index of sid and a separate dpkg state. apt verifies signatures, but
# not the index's expiry date, because a slow mirror may serve an older one.
unpack() {
  local mirror new=$tree.new apt deb
  mirror=$(cat /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
    grep -v '^#' | grep -oE '[a-z+]+:[^ ]+/debian(\.list)?/?( |$)' | head -1 || true)
  [[ $mirror ]] || { echo "mysql.sh: /etc/apt lists no Debian mirror from which to fetch MySQL" >&2; return 1; }
  echo "mysql.sh: unpacking MySQL into $tree" >&2
  rm -rf "$new" # from an interrupted run
  mkdir -p "$new"/apt/{lists,archives}/partial "$new/root"
  : >"$new/apt/status"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${mirror% } sid main" >"$new/apt/sid.list"
  apt=(apt-get -qq -o Dir::State="$new/apt" -o Dir::State::status="$new/apt/status" -o Dir::Cache="$new/apt"
    -o Dir::Etc::SourceList="$new/apt/sid.list" -o Dir::Etc::SourceParts=/dev/null
    -o APT::Sandbox::User="$(id -un)" -o Acquire::Check-Valid-Until=false -o Acquire::Languages=none)
  "${apt[@]}" update >"$new/log" 2>&1 || true # the host's update hooks may fail without root
  "${apt[@]}" -y --download-only --no-install-recommends install mysql-server-core mysql-client-core >>"$new/log" 2>&1 ||
    { echo "mysql.sh: could not fetch MySQL from Debian sid:" >&2; tail -5 "$new/log" >&2; return 1; }
  for deb in "$new"/apt/archives/*.deb; do dpkg-deb -x "$deb" "$new/root" || return; done
  rm -rf "$tree" "$new"/root/usr/share/{doc,locale,man}
  mv "$new/root" "$tree"
  rm -rf "$new"
}

# program NAME ARG…: becomes a program of the cache. `setpriv` kills it when its parent exits.
program() {
  local libs=("$tree"/usr/lib/*-linux-gnu) exe=$tree/usr/$1
  shift
  exec setpriv --pdeathsig KILL "${libs[0]}"/ld-linux*.so.* --argv0 "$exe" \
    --library-path "${libs[0]}:$tree/usr/lib/mysql/private" "$exe" "$@"
}

sql() (program bin/mysql --no-defaults --protocol=socket --socket="$dir/socket" --user=root "$@")

# Over unencrypted TCP, the server accepts a password only if its hash is cached from a login over a
# secure connection, such as the socket. So each user logs in over the socket first. Tests must not
# clear the cache, as FLUSH PRIVILEGES and ALTER USER do.
announce() {
  until {
    sql --user=plain --password=plain -e 'SELECT 1' && sql --user=app --password=app -e 'SELECT 1' &&
      sql --user=app --password=app --protocol=tcp --host=127.0.0.1 --port="$port" --ssl-mode=DISABLED -e 'SELECT 1'
  } >"$dir/client.log" 2>&1; do
    kill -0 $$ 2>/dev/null || exit
    sleep 0.05
  done
  echo "mysql://app:app@127.0.0.1:$port/?ssl-mode=DISABLED" >"$dir/url.new"
  mv "$dir/url.new" "$dir/url"
}

run() {
  local server=(sbin/mysqld --no-defaults --basedir="$tree/usr" --datadir="$dir/data" --log-error="$dir/server.log"
    --plugin-dir="$tree/usr/lib/mysql/plugin" --lc-messages-dir="$tree/usr/share/mysql"
    --character-sets-dir="$tree/usr/share/mysql/charsets" --secure-file-priv=NULL
    --skip-log-bin --performance-schema=OFF --mysqlx=OFF --tls-version= --auto-generate-certs=OFF
    --innodb-flush-method=nosync --innodb-doublewrite=OFF --innodb-flush-log-at-trx-commit=0
    --innodb-redo-log-capacity=32M --innodb-buffer-pool-size=256M "$@")
  [[ $EUID -ne 0 ]] || server+=(--user=root)
  fetch
  rm -f "$dir/url"
  if [[ ! -e $dir/data/ibdata1 ]]; then
    (program "${server[@]}" --initialize-insecure)
    printf '%s;\n' "CREATE USER IF NOT EXISTS app@'%' IDENTIFIED BY 'app'" "GRANT ALL ON *.* TO app@'%'" \
      "CREATE USER IF NOT EXISTS plain@'%' IDENTIFIED BY 'plain'" "GRANT ALL ON \`e2e%\`.* TO plain@'%'" >"$dir/users.sql"
  fi
  announce &
  program "${server[@]}" --init-file="$dir/users.sql" --bind-address=127.0.0.1 --port="$port" --skip-name-resolve \
    --socket="$dir/socket" --pid-file="$dir/pid" --default-time-zone=+00:00 --max-connections=500 </dev/null
}

enter() { mkdir -p "$1" && dir=$(cd "$1" && pwd); }

case ${1:-} in
  fetch) fetch ;;
  run) enter "${2:?directory}" && port=${3:?port} && run "${@:4}" ;;
  sql) enter "${2:?directory}" && sql "${@:3}" ;;
  *) sed -n '2,/^set/{/^set/!p}' "$0" >&2; exit 2 ;;
esac
