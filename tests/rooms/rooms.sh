#!/bin/sh
# Checks the order of the folders in src/: a file includes only headers of its own folder and of folders before it in `rooms`, main.c all
# of them; inside model/ likewise model, model/block, model/family/NAME, and no family another one (model/family/families.c names them all);
# POSIX headers stand in src/base only. Prints each line that breaks this; exit status 1 where there is one.
#
#   tests/rooms/rooms.sh [SRC]      SRC: another folder than src (used by rooms_test.sh)
set -u
src=${1:-$(dirname "$0")/../../src}
rooms="base config kernel tensor layer image text model generate train data job mpa report command"
posix='unistd fcntl dirent signal pthread termios poll dlfcn ftw glob fnmatch regex pwd grp netdb syslog spawn sched semaphore aio langinfo strings wordexp utime'

[ -d "$src" ] || { echo "rooms: there is no folder $src" >&2 && exit 1; }

find "$src" -name '*.[ch]' | sort | while IFS= read -r file; do
    awk -v file="${file#"$src"/}" -v rooms="$rooms" -v posix="$posix" '
        BEGIN {
            count = split(rooms, list, " ")
            for (i = 1; i <= count; i++) level[list[i]] = i
            for (i = split(posix, list, " "); i > 0; i--) is_posix[list[i]] = 1
            room = file
            own = index(file, "/") ? level[substr(file, 1, index(file, "/") - 1)] : count + 1
            if (!own) print "src/" file ": its folder is none of: " rooms
        }
        # Where in model/ a path is: 1 model, 2 model/block, 3 model/family (families.c), its own name a family.
        function shelf(path) {
            if (path ~ /^model\/block\//) return 2
            if (path ~ /^model\/family\/[^\/]*\//) { sub(/\/[^\/]*$/, "", path); return path }
            return path ~ /^model\/family\// ? 3 : 1
        }
        function shelf_above(theirs, own) {
            if (own == 3 || theirs == own) return 0
            return theirs ~ /^model/ || (own !~ /^model/ && theirs > own)
        }
        function broken(why) { print "src/" file ":" FNR ": " $0 ": " why }
        /^[ \t]*#[ \t]*include[ \t]*"/ {
            match($0, /"[^"]*"/)
            path = substr($0, RSTART + 1, RLENGTH - 2)
            theirs = index(path, "/") ? level[substr(path, 1, index(path, "/") - 1)] : 0
            if (!theirs) broken("write \"folder/file.h\", the folder one of: " rooms)
            else if (own && theirs > own) broken("goes up in the order: " rooms)
            else if (path ~ /^model\// && shelf_above(shelf(path), room ~ /^model\// ? shelf(room) : 1))
                broken("model/family/NAME is known to its own folder and families.c alone, model/block to families alone")
        }
        /^[ \t]*#[ \t]*include[ \t]*</ {
            match($0, /<[^>]*>/)
            path = substr($0, RSTART + 1, RLENGTH - 2)
            name = path
            sub(/\.h$/, "", name)
            if (own != level["base"] && (path ~ /^(sys|arpa|net|netinet)\// || name in is_posix)) broken("POSIX headers belong to src/base")
        }' "$file"
done | {
    broken=0
    while IFS= read -r line; do
        echo "$line"
        broken=$((broken + 1))
    done
    [ "$broken" = 0 ] || { echo "rooms: $broken includes break the order of the folders" >&2 && exit 1; }
}
