"""What is wrong with the manifests in a folder, a line each: against the schemas of Kubernetes (strictly: no unknown key), and
against one another and the configuration that they bring."""

import json
import pathlib
import sys
import tomllib

import kubernetes_validate
import yaml

FOLDER = pathlib.Path(sys.argv[1])
WRONG = []


def expect(holds, what):
    if not holds:
        WRONG.append(what)


def port_of(address):
    return int(address.rsplit(":", 1)[1])


kustomization = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
files = sorted(path.name for path in FOLDER.glob("*.yaml") if path.name != "kustomization.yaml")
expect(files == sorted(kustomization["resources"]), f"resources are not the files: {files}")
documents = [it for name in files for it in yaml.safe_load_all((FOLDER / name).read_text())]
for document in documents:
    name = f"{document['kind']} {document['metadata']['name']}"
    try:
        kubernetes_validate.validate(document, "1.30", strict=True)
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)
    except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
        WRONG.append(f"{name}: {error}")


def find(kind, name="trilane"):
    return next(it for it in documents if it["kind"] == kind and it["metadata"]["name"] == name)


def pods(labels):
    """Of the Deployments whose pods have these labels."""
    each = [it["spec"]["template"] for it in documents if it["kind"] == "Deployment"]
    return [pod for pod in each if labels.items() <= pod["metadata"]["labels"].items()]


def has_port(pod, port, protocol):
    ports = [port for container in pod["spec"]["containers"] for port in container["ports"]]
    return any(port in (it["name"], it["containerPort"]) and it["protocol"] == protocol for it in ports)


for document in documents:
    spec, name = document["spec"], f"{document['kind']} {document['metadata']['name']}"
    if document["kind"] == "Deployment":
        expect(pods(spec["selector"]["matchLabels"]) == [spec["template"]], f"{name}: its selector is not its pods'")
        pod = spec["template"]["spec"]
        volumes = {volume["name"] for volume in pod["volumes"]}
        for container in pod["containers"]:
            mounts = {mount["name"] for mount in container["volumeMounts"]}
            expect(mounts == volumes, f"{name}: volumes {volumes}, mounts {mounts}")
            safe = container["securityContext"]
            expect(not safe["allowPrivilegeEscalation"] and safe["readOnlyRootFilesystem"], f"{name}: may write or rise")
            expect(safe["capabilities"] == {"drop": ["ALL"]}, f"{name}: has capabilities")
        expect(pod["securityContext"]["runAsNonRoot"], f"{name}: may be root")
        expect(not pod["automountServiceAccountToken"], f"{name}: has a token of the cluster")
    elif document["kind"] == "Service":
        of = pods(spec["selector"])
        expect(len(of) == 1, f"{name}: selects {len(of)}")
        for port in spec["ports"]:
            expect(has_port(of[0], port["targetPort"], port["protocol"]), f"{name}: no port {port}")
    elif document["kind"] == "NetworkPolicy":
        of = pods(spec["podSelector"]["matchLabels"])
        expect(len(of) == 1, f"{name}: selects {len(of)}")
        for rule in spec["ingress"]:
            for port in rule["ports"]:
                expect(has_port(of[0], port["port"], port["protocol"]), f"{name}: no port {port}")
    elif document["kind"] == "PodDisruptionBudget":
        expect(len(pods(spec["selector"]["matchLabels"])) == 1, f"{name}: selects another number than one")
    elif document["kind"] == "HorizontalPodAutoscaler":
        target = spec["scaleTargetRef"]
        expect(find(target["kind"], target["name"])["apiVersion"] == target["apiVersion"], f"{name}: scales nothing")

# The Deployment and what it serves.
pod = find("Deployment")["spec"]["template"]["spec"]
[container] = pod["containers"]
[generated] = kustomization["configMapGenerator"]
config = tomllib.loads((FOLDER / "trilane.toml").read_text())
expect("replicas" not in find("Deployment")["spec"], "both the Deployment and the autoscaler say how many")
expect(generated["files"] == ["trilane.toml"], "the generated ConfigMap has other files")
config_maps = [it["configMap"]["name"] for it in pod["volumes"] if "configMap" in it]
expect(config_maps == [generated["name"]], f"the ConfigMap is {generated['name']}, the pods want {config_maps}")
expect(config["http"] == ["off"], "something is served in clear")
listens = {port_of(it) for it in config["https"] + config["redirect"]["listen"] + config["admin"]["listen"]}
expect(listens == {it["containerPort"] for it in container["ports"]}, f"the file listens on {listens}")
expect({(443, "TCP"), (443, "UDP")} <= {(it["port"], it["protocol"]) for it in find("Service")["spec"]["ports"]}, "not TCP and UDP on 443")
expect(config["redirect"]["port"] == 443, "redirects lead elsewhere")
pause = int(container["lifecycle"]["preStop"]["exec"]["command"][-1])
grace = pod["terminationGracePeriodSeconds"]
expect(grace >= pause + config["drain"]["deadline"] + 5, f"{grace} s are too short for the drain")
paths = [mount["mountPath"] for mount in container["volumeMounts"]]
certificate = config["tls"]["certificates"][0]
for file in [certificate["certificate"], certificate["key"], config["tls"]["ticket_keys"], config["admin"]["token_file"], container["args"][-1]]:
    expect(any(file.startswith(path) for path in paths), f"{file} is not mounted")
for probe in ["startupProbe", "readinessProbe", "livenessProbe"]:
    program, *words, url = container[probe]["exec"]["command"]
    expect((program, words) == ("/usr/bin/trilane", ["health", "--token-file", config["admin"]["token_file"]]), f"{probe}: {words}")
    what = "health" if probe == "livenessProbe" else "ready"
    expect(url == f"http://127.0.0.1:{port_of(config['admin']['listen'][0])}/{what}", f"{probe}: {url}")
redis = find("Service", "trilane-redis")
expect(config["rate_limit"]["redis"] == f"redis://trilane-redis:{redis['spec']['ports'][0]['port']}", "another Redis")
metric = find("HorizontalPodAutoscaler")["spec"]["metrics"][1]["pods"]["metric"]["name"]

print(json.dumps({"wrong": WRONG, "documents": len(documents), "metric": metric}))
