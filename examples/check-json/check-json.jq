# The rules for check-json.sh, in the language of jq: print one line for each thing that is wrong, and nothing if all is
# well. These ask for {"title": "...", "tags": ["...", ...]}; write your own.
if type != "object" then
  "- it must be an object, and is of the type \(type)"
else
  (if (.title | type) != "string" or .title == "" then "- `title` must be a text" else empty end),
  (if (.tags | type) != "array" or (.tags | length) == 0 or any(.tags[]; type != "string")
   then "- `tags` must be a list of texts, with at least one" else empty end),
  ((keys - ["tags", "title"])[] | "- there must be no key `\(.)`")
end
