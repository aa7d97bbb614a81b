package scim

// What a provider reads before it begins (RFC 7644, section 4).

// known tells whether a path is one of these.
func known(name string) bool {
	return name == "ServiceProviderConfig" || name == "ResourceTypes" || name == "Schemas"
}

// about is the document at a path; nil when there is none.
func (s *Server) about(name, id string) any {
	var all []any
	switch name {
	case "ServiceProviderConfig":
		if id != "" {
			return nil
		}
		return s.serviceConfig()
	case "ResourceTypes":
		all = []any{s.resourceType("User", "Users", schemaUser), s.resourceType("Group", "Groups", schemaGroup)}
	case "Schemas":
		all = s.schemas()
	default:
		return nil
	}
	if id != "" {
		for _, one := range all {
			if one.(map[string]any)["id"] == id {
				return one
			}
		}
		return nil
	}
	return map[string]any{"schemas": []string{schemaList}, "totalResults": len(all), "startIndex": 1, "itemsPerPage": len(all), "Resources": all}
}

func (s *Server) meta(kind, at string) map[string]any {
	return map[string]any{"resourceType": kind, "location": s.c.Path + at}
}

func (s *Server) serviceConfig() any {
	no := map[string]any{"supported": false}
	return map[string]any{
		"schemas": []string{schemaConfig}, "patch": map[string]any{"supported": true}, "bulk": map[string]any{"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
		"filter": map[string]any{"supported": true, "maxResults": maxPage}, "changePassword": no, "sort": no, "etag": no,
		"authenticationSchemes": []any{map[string]any{"type": "oauthbearertoken", "name": "Bearer", "description": "a secret of the configuration", "primary": true}},
		"meta":                  s.meta("ServiceProviderConfig", "/ServiceProviderConfig"),
	}
}

func (s *Server) resourceType(name, at, schema string) any {
	return map[string]any{
		"schemas": []string{schemaType}, "id": name, "name": name, "endpoint": "/" + at, "schema": schema, "meta": s.meta("ResourceType", "/ResourceTypes/"+name),
	}
}

func (s *Server) schemas() []any {
	one := func(name, kind string, more map[string]any) any {
		out := map[string]any{
			"name": name, "type": kind, "multiValued": false, "required": false, "caseExact": false, "mutability": "readWrite", "returned": "default", "uniqueness": "none",
		}
		for k, v := range more {
			out[k] = v
		}
		return out
	}
	text := func(name string) any { return one(name, "string", nil) }
	many := func(name string, parts ...any) any {
		return one(name, "complex", map[string]any{"multiValued": true, "subAttributes": parts})
	}
	schema := func(id, name string, attributes ...any) any {
		return map[string]any{"schemas": []string{schemaSchema}, "id": id, "name": name, "attributes": attributes, "meta": s.meta("Schema", "/Schemas/"+id)}
	}
	return []any{
		schema(
			schemaUser, "User", one("userName", "string", map[string]any{"required": true, "uniqueness": "server"}),
			one("name", "complex", map[string]any{"subAttributes": []any{text("formatted"), text("familyName"), text("givenName")}}),
			text("displayName"), one("active", "boolean", nil), many("emails", text("value"), text("type"), one("primary", "boolean", nil)),
			one("externalId", "string", map[string]any{"caseExact": true}),
		),
		schema(
			schemaGroup, "Group", one("displayName", "string", map[string]any{"required": true}), many("members", text("value"), text("type")),
			one("externalId", "string", map[string]any{"caseExact": true}),
		),
	}
}
