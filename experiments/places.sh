# What models.sh and ablation.sh begin with, read by both: where the library,
# Python and the data are.
#   DATA    a folder of data sets; the heads of the scripts say of which.
#           Default: DATA
#   PYTHON  an interpreter with requirements.txt. Default: python3

absolute() {
    case $1 in
        /*) echo "$1" ;;
        *) echo "$PWD/$1" ;;
    esac
}

root=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck disable=SC2034
python=$(absolute "$(command -v "${PYTHON:-python3}")")
DATA=$(absolute "${DATA:-DATA}")
export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}"
