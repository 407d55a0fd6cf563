# Shared by every recipe's run.sh, which sources it after path.sh and cmd.sh:
#   declare_options <<'TABLE'     NAME KIND DEFAULT HELP, a line an option: defaults, parsing and --help come from it alone
#   parse_options "$@"            --name value (or --name=value) sets the variable `name`, dashes as underscores
#   run_stage N "what it does" command...    runs it if stage <= N <= stop_stage and it has not been done
#   finish "where the figures are"
#
# Kinds: DIR FILE YAML (a path: given, from where the user stands; by default, from the recipe's folder `here`), MODEL (a
# path or a name), N (a whole number), X (a number), a|b|c (one of these), any other word: text. Default - or none: empty.
# --stage and --stop-stage are every recipe's; `last_stage` is its last (7).
#
# Marks of stages lie in $exp/.done, those of stages 0 to 3 in `data_marks` where several runs share their data, and those
# from 6 on carry `tag`, so that what was decoded in several ways stands side by side. A mark records with what its stage was
# done: the command and its functions, the value of every variable in them (which is how options reach a stage), what the
# files and folders hold that options name, and the marks of the stages before. A stage is done again where any of that is
# another; after a stage that is done again, all later ones are done again. A stage's functions find that, as a hash, in
# _wanted. `after=3 run_stage 8 ...` depends on the stages up to 3 alone.

log() { printf '%s  %s\n' "$(date '+%H:%M:%S')" "$*"; }

die() { printf 'run.sh: %s\n' "$*" >&2; exit "${2:-2}"; }

declare -A _kinds=() _listings=()

declare_options() {
    local _name _kind _value _help
    options="" _table=""
    while read -r _name _kind _value _help; do
        [ -n "$_name" ] && [[ $_name != \#* ]] || continue
        add_option "$_name" "$_kind" "$_value" "$_help"
    done
    add_option stage N 0 "run the stages from this one on"
    add_option stop-stage N "${last_stage:-7}" "and none after this one"
}

add_option() { # NAME KIND DEFAULT HELP
    local _variable=${1//-/_} _value=$3
    case $_value in - | none) _value="" ;; esac
    case $2 in DIR | FILE | YAML) [ -z "$_value" ] || _value=$(realpath -m "$here/$_value") ;; esac
    options+=" $_variable" _kinds[$_variable]=$2
    printf -v "$_variable" '%s' "$_value"
    _table+=$(printf '  --%-24s %s' "$1 $2" "$4${_value:+ ($3)}")$'\n'
}

usage() {
    sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
    [ -z "${_table:-}" ] || printf '\nOptions:\n%s' "$_table"
}

parse_options() {
    local _given
    while [ $# -gt 0 ]; do
        case $1 in
            --help | -h) usage; exit 0 ;;
            --*=*) _given=$(new_name "${1%%=*}"); set_option "$_given" "${1#*=}"; shift ;;
            --*)
                _given=$(new_name "$1")
                known_option "$_given"
                [ $# -ge 2 ] || die "option $1 needs a value"
                set_option "$_given" "$2"
                shift 2
                ;;
            *) die "unexpected argument $1; see --help" ;;
        esac
    done
    local _last=${last_stage:-7} _word
    for _word in "${stage:-0}" "${stop_stage:-$_last}"; do
        [[ $_word =~ ^[0-9]{1,2}$ ]] && [ "$_word" -le "$_last" ] || die "--stage and --stop-stage are numbers from 0 to $_last"
    done
    [ "${stage:-0}" -le "${stop_stage:-$_last}" ] || die "--stage is after --stop-stage: nothing to do"
}

# Options by their earlier names, for one more version: EARLIER=NEW.
earlier_options="--judge=--asr"

new_name() { # NAME
    local _pair
    for _pair in $earlier_options; do
        if [ "$1" = "${_pair%%=*}" ]; then
            printf -- '%s is now %s\n' "$1" "${_pair#*=}" >&2
            echo "${_pair#*=}"
            return
        fi
    done
    echo "$1"
}

known_option() { # --NAME
    local _name=${1#--} # no recipe's variable: a local hides what it is to set
    case " $options " in *" ${_name//-/_} "*) ;; *) die "unknown option $1; see --help" ;; esac
}

set_option() { # --NAME VALUE
    known_option "$1"
    local _name=${1#--} _value=$2 _kind
    _name=${_name//-/_}
    _kind=${_kinds[$_name]:-}
    case $_kind:$_value in *\|*:*) ;; *:none | *:-) _value="" ;; esac
    case $_kind in
        DIR | FILE | YAML) _value=$(find_path "$_value" "$_kind") ;;
        MODEL) [ ! -e "$_value" ] || _value=$(realpath -m "$_value") ;;
        N) [[ $_value =~ ^[0-9]+$ ]] || die "$1 is a whole number, not '$2'" ;;
        X) [[ $_value =~ ^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$ ]] || die "$1 is a number, not '$2'" ;;
        *\|*) [[ "|$_kind|" == *"|$_value|"* ]] || die "$1 is one of ${_kind//|/, }, not '$2'" ;;
    esac
    printf -v "$_name" '%s' "$_value"
    given_options="${given_options:-} $_name"
}

# A path that was given: from where the user stands; a configuration may also be named as the recipe's folder has it.
find_path() { # VALUE KIND
    [ -n "$1" ] || return 0
    if [ "$2" = YAML ] && [ ! -e "$1" ] && [ -e "$here/$1" ]; then realpath -m "$here/$1"; else realpath -m "$1"; fi
}

# The programs are there, the tag can be part of a folder's name, and the folder of the run is where the user wants it.
begin_in() { # FOLDER
    local _program
    for _program in vsr lip2speech; do
        command -v "$_program" >/dev/null || die "no $_program in $venv/bin: run tools/setup.sh, or name the environment with VENV"
    done
    [[ ${tag:-x} =~ ^[A-Za-z0-9._+-]+$ ]] || die "--tag '$tag' is part of a folder's name: give letters, digits, . _ + -"
    mkdir -p "$1" 2>/dev/null && cd "$1" || die "no folder $1 can be made"
}

run_stage() {
    local _number=$1 _what=$2 _mark _wanted _found=""
    shift 2
    _stages="${_stages:-} $_number"
    list_given_folders
    _mark=$(next_mark "$_number")
    _wanted=$(fingerprint "$_number" "$@")
    [ ! -f "$_mark" ] || read -r _found _ <"$_mark" || true
    if [ "$_number" -lt "$stage" ]; then
        take_as_it_is "$_number" "$_what" "$_found" "$_wanted"
    elif [ "$_number" -le "$stop_stage" ] && ! asked_for "$_number" && [ "$_found" = "$_wanted" ]; then
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

asked_for() { # NUMBER: whether the user said to begin with this stage
    [ "$stage" = "$1" ] && [[ " ${given_options:-} " == *" stage "* ]]
}

# After the last stage: an option may have left out the one that was asked for.
finish() { # SENTENCE
    local _number
    for _number in ${_stages:-}; do
        [ "$_number" -lt "$stage" ] || { log "$1"; return 0; }
    done
    die "there is no stage $stage with these options; see --help"
}

# A stage before the one that is begun with: what it left must be that of these options, or later pages are wrong.
take_as_it_is() { # NUMBER WHAT FOUND WANTED
    [ "$3" != "$4" ] && [ "$1" != 7 ] || return 0 # the scores of stage 7 are no later stage's input
    [ -z "$3" ] || die "stage $1 ($2) was last done with other options or input: begin with --stage $1"
    [ "$1" != 6 ] || die "stage 6 ($2) has not been done to its end: begin with --stage 6"
    log "stage $1: $2 (nothing says whether it was done: taken as it is)"
}

next_mark() { # NUMBER: the file of its mark; a number that several stages share is counted
    local _place=${exp:-$work}/.done _mark
    [ "$1" -gt 3 ] || _place=${data_marks:-$_place}
    _mark=$_place/$1
    [ "$1" -lt 6 ] || [ -n "${after:-}" ] || _mark+=${tag:+_$tag}
    while [[ " ${_marks_before:-} " == *" $_mark "* ]]; do _mark+="+"; done
    printf '%s' "$_mark"
}

marks_up_to() { # NUMBER: the marks so far of the stages up to it; no later one depends on the scores of stage 7
    local _mark _name
    for _mark in ${_marks_before:-}; do
        _name=${_mark##*/}
        _name=${_name%%[_+]*}
        [ "$_name" -gt "$1" ] || [ "$_name" = 7 ] || printf '%s\n' "$_mark"
    done
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
        cat $(marks_up_to "${after:-99}") /dev/null 2>/dev/null || true
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
        case $_name in _* | nj | exp | stage | stop_stage | options | given_options | *_cmd) continue ;; esac
        _told=$(declare -p "$_name" 2>/dev/null || true)
        case " $options " in *" $_name "*) ;; *) [[ $_told != "declare -x"* ]] || continue ;; esac
        printf '%s\n' "$_told"
    done
}

# Of files and folders that options name, and of a recipe's list of configurations.
contents_of_options() {
    local _name _value
    for _name in "$@"; do
        [[ " $options configs " == *" $_name "* ]] || continue
        if [ -n "${_listings[$_name]:-}" ]; then
            printf '%s\n' "${_listings[$_name]}"
            continue
        fi
        local -n _values=$_name
        for _value in "${_values[@]:-}"; do [ ! -f "$_value" ] || sha256sum <"$_value"; done
        unset -n _values
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
