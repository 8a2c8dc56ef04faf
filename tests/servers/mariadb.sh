#!/usr/bin/env bash
# Runs a temporary MariaDB server on loopback, with durability turned off for speed.
#
#   mariadb.sh run DIR PORT [OPTION]…
#                               initializes DIR if it is new, and becomes the server until it or its
#                               parent is killed; creates DIR/url when the server accepts queries
#   mariadb.sh sql DIR [ARG]…   runs a client as root
#
# Requires Debian's mariadb-server-core and mariadb-client-core, which start no service.
set -euo pipefail
PATH=$PATH:/usr/sbin

sql() { mariadb --no-defaults --protocol=socket --socket="$dir/socket" --user=root "$@"; }

announce() {
  until mariadb --no-defaults --protocol=tcp --host=127.0.0.1 --port="$port" --skip-ssl \
    --user=app --password=app -e 'SELECT 1' >"$dir/client.log" 2>&1; do
    kill -0 $$ 2>/dev/null || exit
    sleep 0.05
  done
  echo "mysql://app:app@127.0.0.1:$port/?ssl-mode=DISABLED" >"$dir/url.new"
  mv "$dir/url.new" "$dir/url"
}

run() {
  # `setpriv` kills each program when its parent exits.
  local follow=(setpriv --pdeathsig KILL)
  local server=(--no-defaults --datadir="$dir/data" --character-set-server=utf8mb4
    --innodb-flush-method=nosync --innodb-doublewrite=OFF --innodb-flush-log-at-trx-commit=0
    --innodb-log-file-size=32M --innodb-buffer-pool-size=256M "$@")
  [[ $EUID -ne 0 ]] || server+=(--user=root)
  rm -f "$dir/url"
  if [[ ! -e $dir/data/ibdata1 ]]; then
    "${follow[@]}" mariadb-install-db "${server[@]}" --skip-test-db --auth-root-authentication-method=normal >>"$dir/server.log" 2>&1
    printf '%s;\n' "CREATE USER IF NOT EXISTS app@'%' IDENTIFIED BY 'app'" "GRANT ALL ON *.* TO app@'%'" \
      "CREATE USER IF NOT EXISTS plain@'%' IDENTIFIED BY 'plain'" "GRANT ALL ON \`e2e%\`.* TO plain@'%'" >"$dir/users.sql"
  fi
  announce &
  exec "${follow[@]}" mariadbd "${server[@]}" --init-file="$dir/users.sql" --log-error="$dir/server.log" --skip-log-bin --skip-ssl \
    --bind-address=127.0.0.1 --port="$port" --skip-name-resolve --socket="$dir/socket" --pid-file="$dir/pid" \
    --default-time-zone=+00:00 --max-connections=500 </dev/null
}

enter() { mkdir -p "$1" && dir=$(cd "$1" && pwd); }

case ${1:-} in
  run) enter "${2:?directory}" && port=${3:?port} && run "${@:4}" ;;
  sql) enter "${2:?directory}" && sql "${@:3}" ;;
  *) sed -n '2,/^set/{/^set/!p}' "$0" >&2; exit 2 ;;
esac
