#!/bin/sh
# One organisation of the demo in compose.yaml: makes its node, pairs with the other, adds its table, and, at the bank,
# asks the question. The nodes exchange one thing outside of Tacit, as two organisations would: the ticket.
set -eu

name="$1"
dir="/data/$name"
export TACIT_DIR="$dir"

if [ ! -e "$dir/node.toml" ]; then
    tacit init --name "$name"
fi
# In one network of containers, all addresses are private ones.
tacit node --announce "/dns4/$name/tcp/7700" --data-announce "/dns4/$name/tcp/7701" --set allow_loopback=true &
node=$!
trap 'kill -TERM "$node"; wait "$node"' TERM INT
until tacit status >/dev/null 2>&1; do sleep 1; done

paired() { tacit --json peer list | grep -q '"state":"paired".*"connected":true'; }
# Tables, policies and the program are those of `tacit demo`, which the retailer's container makes for both.
demo=/exchange/demo
if [ "$name" = maison ] && [ ! -e /exchange/ready ]; then
    rm -rf "$demo"
    env -u TACIT_DIR tacit demo --keep "$demo"
    touch /exchange/ready
fi
until [ -e /exchange/ready ]; do sleep 1; done

table="$([ "$name" = maison ] && echo customers || echo accounts)"
if ! tacit --json dataset list | grep -q "\"name\":\"$name/$table\""; then
    tacit dataset add "$demo/$table.csv" --key customer_id --policy "$demo/$name.policy.toml"
fi

if [ "$name" = maison ]; then
    if ! tacit --json peer list | grep -q '"state":"paired"'; then
        tacit --json peer invite --auto | sed 's/.*"ticket":"\([^"]*\)".*/\1/' > /exchange/ticket.new
        mv /exchange/ticket.new /exchange/ticket
    fi
else
    if ! tacit --json peer list | grep -q '"state":"paired"'; then
        until [ -s /exchange/ticket ]; do sleep 1; done
        tacit peer accept "$(cat /exchange/ticket)"
        rm -f /exchange/ticket
    fi
    until paired; do sleep 1; done
    tacit job submit /exchange/demo/program.json --wait
    echo "demo: the job has ended"
fi
wait "$node"
