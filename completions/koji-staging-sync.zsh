#compdef koji-staging-sync
# Made by `koji-staging-sync completion zsh`; do not edit.
autoload -U +X bashcompinit && bashcompinit
_koji_staging_sync() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} path="" words="" word i
  COMPREPLY=()
  # "=" ends a word for bash: name=value is three.
  if [[ $prev == --set ]]; then
    compopt -o nospace 2>/dev/null
    COMPREPLY=($(compgen -W "prod.hub= prod.topdir= prod.topurl= prod.link_target= prod.ca_file= prod.requests_per_second= prod.concurrency= prod.timeout_seconds= prod.history_timeout_seconds= prod.volumes= prod.allow_writable_mount= staging.database= staging.database_password_file= staging.ca_file= staging.hub= staging.topdir= staging.user= staging.id_floor= staging.pool_size= bus.fedmsg.endpoints= bus.fedmsg.topic_prefix= bus.fedmsg.instance= bus.fedmsg.base_url= bus.fedmsg.validate_signatures= bus.fedmsg.ca= bus.fedmsg.crl= bus.fedmsg.policy_file= bus.fedmsg.nitpicky= bus.fedmsg.backends= bus.fedmsg.silence_timeout_seconds= bus.datagrepper.url= bus.datagrepper.lookback_seconds= bus.datagrepper.validate_signatures= copy.arches= copy.signed_keys= copy.sigcache= copy.logs= copy.bytes_per_second= copy.open_transfers= copy.reflink= copy.hardlink= copy.fsync= copy.reserve_bytes= copy.file_mode= files.uid= files.gid= files.directory_mode= in_place.stamp= in_place.refresh_command= in_place.refresh_timeout_seconds= scope.tags= scope.exclude_tags= scope.builds= conflicts.build= conflicts.tag= conflicts.on_removed= worker.concurrency= worker.shutdown_grace_seconds= catch_up.interval_seconds= catch_up.rest_factor= catch_up.overlap_seconds= catch_up.long_at= catch_up.long_overlap_seconds= reconcile.at= reconcile.jitter_seconds= scrub.days= scrub.builds_per_second= retention.resolved_clash_days= retention.checkpoint_days= retention.checkpoints_per_key= seed.left_out= seed.jobs= seed.own_tables= seed.maintenance_database= seed.channels= seed.keep_grants= http.listen= http.linger_seconds= log.level= placement= external_repo_rewrite= tag_rewrite= principal_rewrite= seed_user= seed_host=" -- "$cur"))
    return
  fi
  case $prev in
    -c|--config|--dump|--policy|--gpg-home) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    --role|--listen|--tag|--allow-removals|--since|--older-than|--leave|--free|--ca|--crl|--backends) return ;;
  esac
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    case "${path:+$path }$word" in
      "init"|"doctor"|"run"|"sync"|"reconcile"|"catch-up"|"event"|"scrub"|"status"|"prune"|"refresh-snapshot"|"seed"|"clashes"|"clashes list"|"clashes show"|"clashes resolve"|"parked"|"parked list"|"parked retry"|"audit"|"verify-message"|"options"|"metrics"|"manual"|"completion"|"errors") path="${path:+$path }$word" ;;
    esac
  done
  case $path in
    "") words="help init doctor run sync reconcile catch-up event scrub status prune refresh-snapshot seed clashes parked audit verify-message options metrics manual completion errors --help --version" ;;
    "init") words="--config --set --debug --print-grants --role --help" ;;
    "doctor") words="--config --set --debug --listen --help" ;;
    "run") words="--config --set --debug --help" ;;
    "sync") words="--config --set --debug --help" ;;
    "reconcile") words="--config --set --debug --dry-run --tag --json --allow-removals --help" ;;
    "catch-up") words="--config --set --debug --since --prod-restored --help" ;;
    "event") words="--config --set --debug --tag --json --help" ;;
    "scrub") words="--config --set --debug --once --tag --json --help" ;;
    "status") words="--config --set --debug --json --help" ;;
    "prune") words="--config --set --debug --yes --older-than --json --help" ;;
    "refresh-snapshot") words="--config --set --debug --help" ;;
    "seed") words="--config --set --debug --dump --from-hub --tag --swap --rollback --older --plan --leave-local --leave-rest --leave --free --json --help" ;;
    "clashes") words="list show resolve --help" ;;
    "clashes list") words="--config --set --debug --json --help" ;;
    "clashes show") words="--config --set --debug --json --help" ;;
    "clashes resolve") words="--config --set --debug --help prod-wins local-wins hold config" ;;
    "parked") words="list retry --help" ;;
    "parked list") words="--config --set --debug --json --help" ;;
    "parked retry") words="--config --set --debug --all --help" ;;
    "audit") words="--config --set --debug --json --help" ;;
    "verify-message") words="--ca --crl --policy --nitpicky --backends --gpg-home --no-validation --help" ;;
    "options") words="--example --help" ;;
    "metrics") words="--help" ;;
    "manual") words="--help" ;;
    "completion") words="--help bash zsh fish" ;;
    "errors") words="--markdown --help" ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -F _koji_staging_sync koji-staging-sync
