{{/* Labels of every object; what selects pods is apart. */}}
{{- define "broker.labels" -}}
app.kubernetes.io/part-of: spire-federation-broker
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{/* Which pods run the broker. */}}
{{- define "broker.podLabels" -}}
{{- if eq .Values.mode "sidecar" }}
{{- toYaml .Values.spireServer.podLabels }}
{{- else -}}
app.kubernetes.io/name: {{ .Values.name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- end }}

{{- define "broker.serviceAccount" -}}
{{- if eq .Values.mode "sidecar" }}{{ .Values.spireServer.serviceAccount }}{{ else }}{{ .Values.name }}{{ end }}
{{- end }}

{{/* Argument: the root, and the role's kind and name. */}}
{{- define "broker.binding" -}}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ .kind }}
  name: {{ .name }}
subjects:
  - kind: ServiceAccount
    name: {{ include "broker.serviceAccount" .root }}
    namespace: {{ .root.Release.Namespace }}
{{- end }}

{{/* Not empty where the broker writes for Istio. */}}
{{- define "broker.writesMesh" -}}
{{- if has .Values.istio.mode (list "shared-config" "patch-base") }}true{{ end }}
{{- end }}

{{/* Of the settings of each mode, by their variables. */}}
{{- define "broker.meshSettings" -}}
{{- with .Values.istio }}
- name: FEDBROKER_ISTIO
  value: {{ .mode }}
- name: FEDBROKER_ISTIO_NAMESPACE
  value: {{ .namespace }}
- name: FEDBROKER_ISTIO_CONFIG_MAP
  value: {{ .configMap }}
- name: FEDBROKER_ISTIO_REVISIONS
  value: {{ join "," .revisions | quote }}
{{- with .spireAgentConfig }}
- name: FEDBROKER_SPIRE_AGENT_CONFIG
  value: {{ . }}
{{- end }}
{{- with .spireAgentSocket }}
- name: FEDBROKER_SPIRE_AGENT_SOCKET
  value: /run/fedbroker/agent/{{ . }}
{{- end }}
{{- with .debugUrl }}
- name: FEDBROKER_ISTIOD_DEBUG_URL
  value: {{ . }}
- name: FEDBROKER_ISTIOD_TOKEN_FILE
  value: /run/fedbroker/istiod/token
{{- end }}
{{- end }}
{{- end }}

{{/* Beside that of spire-server's socket. */}}
{{- define "broker.volumes" -}}
{{- if .Values.webEndpoint.secretName }}
- name: fedbroker-web
  secret: { secretName: {{ .Values.webEndpoint.secretName }} }
{{- end }}
{{- with .Values.audit.volume }}
- name: fedbroker-audit
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if include "broker.writesMesh" . }}
{{- if .Values.istio.spireAgentSocket }}
- name: fedbroker-agent
  csi: { driver: csi.spiffe.io, readOnly: true }
{{- end }}
{{- if .Values.istio.debugUrl }}
- name: fedbroker-istiod
  projected:
    sources:
      - serviceAccountToken: { audience: istio-ca, expirationSeconds: 3600, path: token }
{{- end }}
{{- end }}
{{- end }}

{{- define "broker.volumeMounts" -}}
- name: spire-server-socket
  mountPath: /tmp/spire-server/private
  readOnly: true
{{- if .Values.webEndpoint.secretName }}
- name: fedbroker-web
  mountPath: /run/fedbroker/web
  readOnly: true
{{- end }}
{{- if .Values.audit.volume }}
- name: fedbroker-audit
  mountPath: /var/lib/fedbroker/audit
{{- end }}
{{- if include "broker.writesMesh" . }}
{{- if .Values.istio.spireAgentSocket }}
- name: fedbroker-agent
  mountPath: /run/fedbroker/agent
  readOnly: true
{{- end }}
{{- if .Values.istio.debugUrl }}
- name: fedbroker-istiod
  mountPath: /run/fedbroker/istiod
  readOnly: true
{{- end }}
{{- end }}
{{- end }}

{{/* The container, the same in both modes but for its readiness. */}}
{{- define "broker.container" -}}
name: fedbroker
image: {{ printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args: [run]
env:
  - name: FEDBROKER_KUBERNETES
    value: in-cluster
  - name: FEDBROKER_KUBERNETES_NAMESPACE
    valueFrom: { fieldRef: { fieldPath: metadata.namespace } }
  - name: FEDBROKER_REPLICA_IDENTITY
    valueFrom: { fieldRef: { fieldPath: metadata.name } }
  - name: FEDBROKER_ADMIN_ADDRESS
    value: 0.0.0.0:9402
  {{- if ne .Values.leaseName "fedbroker" }}
  - name: FEDBROKER_LEASE_NAME
    value: {{ .Values.leaseName }}
  {{- end }}
  {{- if .Values.controllerManager.enabled }}
  - name: FEDBROKER_CONTROLLER_MANAGER_CONFIG
    value: {{ printf "%s/%s" .Release.Namespace .Values.controllerManager.configMap }}
  {{- end }}
  {{- if .Values.webEndpoint.secretName }}
  - name: FEDBROKER_SERVE_WEB_ADDRESS
    value: 0.0.0.0:8444
  - name: FEDBROKER_SERVE_WEB_CERT_FILE
    value: /run/fedbroker/web/tls.crt
  - name: FEDBROKER_SERVE_WEB_KEY_FILE
    value: /run/fedbroker/web/tls.key
  {{- end }}
  {{- if .Values.audit.volume }}
  - name: FEDBROKER_AUDIT_FILE
    value: /var/lib/fedbroker/audit/audit.jsonl
  - name: FEDBROKER_AUDIT_REQUIRED
    value: {{ ternary "on" "off" .Values.audit.required | quote }}
  {{- end }}
  {{- if include "broker.writesMesh" . }}
  {{- include "broker.meshSettings" . | nindent 2 }}
  {{- end }}
  {{- range $name, $value := .Values.settings }}
  - name: FEDBROKER_{{ snakecase $name | upper }}
    value: {{ $value | toString | quote }}
  {{- end }}
ports:
  - name: fb-bundle
    containerPort: 8443
  {{- if .Values.webEndpoint.secretName }}
  - name: fb-web
    containerPort: 8444
  {{- end }}
  - name: fb-admin
    containerPort: 9402
startupProbe:
  httpGet: { path: /livez, port: fb-admin }
  periodSeconds: 2
  failureThreshold: 150
{{- if eq .Values.mode "deployment" }}
readinessProbe:
  httpGet: { path: /readyz, port: fb-admin }
  periodSeconds: 5
{{- end }}
livenessProbe:
  httpGet: { path: /livez, port: fb-admin }
  periodSeconds: 10
  failureThreshold: 3
resources:
  {{- toYaml .Values.resources | nindent 2 }}
securityContext:
  runAsNonRoot: true
  readOnlyRootFilesystem: true
  allowPrivilegeEscalation: false
  capabilities: { drop: [ALL] }
  seccompProfile: { type: RuntimeDefault }
volumeMounts:
  {{- include "broker.volumeMounts" . | nindent 2 }}
{{- end }}
