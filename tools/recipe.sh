# Shared by every recipe's run.sh: options, log lines, stages. Source it after the recipe's variables are set.
#   parse_options "$@"    --name value sets the variable `name` (dashes become underscores) if the recipe declared it
#   run_stage N "what it does" command...    runs it if stage <= N <= stop_stage and it has not been done
# The recipe declares: stage stop_stage options (names that may be set), work (folder of the .done marks).

log() { printf '%s  %s\n' "$(date '+%H:%M:%S')" "$*"; }

die() { printf 'run.sh: %s\n' "$*" >&2; exit "${2:-2}"; }

usage() { sed -n '2,/^$/s/^# \{0,1\}//p' "$0"; }

parse_options() {
    while [ $# -gt 0 ]; do
        case $1 in
            --help | -h) usage; exit 0 ;;
            --*)
                local _option=${1#--} # no recipe's variable: a local hides what it is to set
                _option=${_option//-/_}
                case " $options " in *" $_option "*) ;; *) die "unknown option $1; see --help" ;; esac
                [ $# -ge 2 ] || die "option $1 needs a value"
                printf -v "$_option" '%s' "$2"
                shift 2
                ;;
            *) die "unexpected argument $1; see --help" ;;
        esac
    done
    local _stages="${stage:-0} ${stop_stage:-7}"
    [[ $_stages =~ ^[0-7]\ [0-7]$ ]] || die "--stage and --stop-stage are numbers from 0 to 7"
    [ "${_stages% *}" -le "${_stages#* }" ] || die "--stage is after --stop-stage: nothing to do"
}

run_stage() {
    local number=$1 what=$2
    shift 2
    [ "$stage" -le "$number" ] && [ "$number" -le "$stop_stage" ] || return 0
    local mark="$work/.done/$number-$(printf '%s' "$*" | cksum | cut -d' ' -f1)"
    if [ -f "$mark" ] && [ "$stage" != "$number" ]; then
        log "stage $number: $what (done before)"
        return 0
    fi
    log "stage $number: $what"
    "$@"
    mkdir -p "$work/.done"
    touch "$mark"
}
