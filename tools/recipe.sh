# Shared by every recipe's run.sh: options, log lines, stages. Source it after the recipe's variables are set.
#   parse_options "$@"    --name value sets the variable `name` (dashes become underscores) if the recipe declared it
#   run_stage N "what it does" command...    runs it if stage <= N <= stop_stage and it has not been done
# The recipe declares: stage stop_stage options (names that may be set), work (folder of the .done marks); where several
# runs share their data: data_marks (folder of the marks of stages 0 to 3); where it goes on from the stages 0 to 2 of
# another recipe: upstream (folder of those marks).
#
# A mark tells with what its stage was done: the command and its functions, the value of every variable in them (which is
# how options reach a stage), what the files and folders hold that options name, and the marks of the stages before. A
# stage is done again where any of that is another; after a stage that is done again, all later ones are done again.
# A stage's functions find that, as a hash, in _wanted.

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
                given_options="${given_options:-} $_option"
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
    local _number=$1 _what=$2 _mark _wanted _found=""
    shift 2
    list_given_folders
    _mark=$(next_mark "$_number")
    _wanted=$(fingerprint "$_number" "$@")
    [ ! -f "$_mark" ] || read -r _found _ <"$_mark" || true
    if [ "$_number" -lt "$stage" ]; then
        take_as_it_is "$_number" "$_what" "$_found" "$_wanted"
    elif [ "$_number" -le "$stop_stage" ] && [ "$stage" != "$_number" ] && [ "$_found" = "$_wanted" ]; then
        log "stage $_number: $_what (done before)"
    elif [ "$_number" -le "$stop_stage" ]; then
        log "stage $_number: $_what"
        rm -f "$_mark" # until it is done, nothing says that it is
        "$@"
        mkdir -p "${_mark%/*}"
        printf '%s %s-%s\n' "$_wanted" "$(date +%s.%N)" $$ >"$_mark.$$" && mv -f "$_mark.$$" "$_mark"
    fi
    _marks_before+=" $_mark"
}

# A stage before the one that is begun with: what it left must be that of these options, or later pages tell no truth.
take_as_it_is() { # NUMBER WHAT FOUND WANTED
    [ "$3" != "$4" ] || return 0
    [ -z "$3" ] || die "stage $1 ($2) was last done with other options or input: begin with --stage $1"
    [ "$1" != 6 ] || die "stage 6 ($2) has not been done to its end: begin with --stage 6"
    log "stage $1: $2 (nothing tells whether it was done: taken as it is)"
}

next_mark() { # NUMBER: the file of its mark; a number that several stages share is counted
    local _place=$work/.done _mark
    [ "$1" -gt 3 ] || _place=${data_marks:-$_place}
    _mark=$_place/$1
    while [[ " ${_marks_before:-} " == *" $_mark "* ]]; do _mark+="+"; done
    printf '%s' "$_mark"
}

fingerprint() { # NUMBER COMMAND...
    local _number=$1 _text _names
    shift
    _text=$(text_of "$*")
    _names=$(variables_in "$_text")
    {
        printf '%s\n' "$_text"
        values_of $_names
        contents_of_options $_names
        cat ${_marks_before:-} 2>/dev/null || true
        [ -z "${upstream:-}" ] || [ "$_number" = 0 ] || cat "$upstream"/[0-2]* 2>/dev/null || true
    } | sha256sum | cut -d' ' -f1
}

# A command with the functions that it calls, and those that they call.
text_of() {
    local _text=$1 _seen=" " _name _more=yes
    while [ -n "$_more" ]; do
        _more=""
        for _name in $(compgen -A function); do
            [[ $_seen == *" $_name "* ]] && continue
            # Where a command stands: "train" in a list of words is no call of it.
            [[ $_text =~ (^|[$'\n;&|({!']|then|do|else)[[:blank:]]*"$_name"($|[[:space:]\;\)\&\|]) ]] || continue
            _seen+="$_name " _more=yes
            _text+=$'\n'$(declare -f "$_name")
        done
    done
    printf '%s\n' "$_text"
}

variables_in() {
    {
        grep -oE '\$\{?[!#]?[A-Za-z_][A-Za-z_0-9]*' <<<"$1" || true
        grep -oE '\(\([^)]*\)\)' <<<"$1" || true # in arithmetic they have no dollar
    } | grep -oE '[A-Za-z_][A-Za-z_0-9]*' | sort -u || true
}

# What variables hold, but for those of this file, of the environment, and those that no result depends on.
values_of() {
    local _name _told
    for _name in "$@"; do
        case $_name in _* | nj | stage | stop_stage | options | given_options) continue ;; esac
        _told=$(declare -p "$_name" 2>/dev/null || true)
        case " $options " in *" $_name "*) ;; *) [[ $_told != "declare -x"* ]] || continue ;; esac
        printf '%s\n' "$_told"
    done
}

contents_of_options() {
    local _name _value
    for _name in "$@"; do
        [[ " $options " == *" $_name "* ]] || continue
        _value=${!_name:-}
        if [ -n "${_listings[$_name]:-}" ]; then
            printf '%s\n' "${_listings[$_name]}"
        elif [ -f "$_value" ]; then
            sha256sum <"$_value"
        fi
    done
}

# Name, size and time of every file in the folders that were given as options, listed once; --work is for the outputs.
list_given_folders() {
    local _name _value
    [ -z "${_listed:-}" ] || return 0
    for _name in ${given_options:-}; do
        _value=${!_name:-}
        [ "$_name" != work ] && [ -d "$_value" ] || continue
        _listings[$_name]=$(find "$_value" -type f -printf '%P %s %T@\n' | LC_ALL=C sort | sha256sum)
    done
    _listed=yes
}
declare -A _listings=()
