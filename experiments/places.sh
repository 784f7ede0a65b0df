# What the scripts beside it begin with: where the library, Python and the data
# are, and how renders are made once.
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
RGBD=$(absolute "${RGBD:-$DATA/rgbd}")

syndof() {  # NAME FLAGS...
    name=$1
    shift
    grep -qs '"complete": true' "$name/dataset.json" && return
    echo "Making $name."
    "$python" -m dmenet_tf.syndof --output_dir="$name" "$@"
}

render() {  # NAME FLAGS...
    name=$1
    shift
    # shellcheck disable=SC2086
    syndof "$name" --max_size=640 --kernel=mixed "$@" ${RENDER:-}
}
